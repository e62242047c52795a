// Memory errors that a node was told to count, as NVML tells them.
#include <gtest/gtest.h>
#include <unistd.h>

#include "sim/node/testing/nvml_fixture.h"
#include "sim/nvml/library.h"

namespace tranche::sim::nvml {
namespace {

class EccTest : public sim::testing::NvmlFixture {
 protected:
  unsigned long long Total(abi::EccErrorType type, abi::EccCounterType counter) {
    unsigned long long count = 99;
    EXPECT_EQ(api_.nvmlDeviceGetTotalEccErrors(Gpu(0), type, counter, &count), abi::kSuccess);
    return count;
  }
  unsigned long long At(abi::EccErrorType type, abi::MemoryLocation location) {
    unsigned long long count = 99;
    EXPECT_EQ(
        api_.nvmlDeviceGetMemoryErrorCounter(Gpu(0), type, abi::kEccVolatile, location, &count),
        abi::kSuccess);
    return count;
  }
  unsigned long long Field(unsigned id) {
    abi::FieldValue field{};
    field.field_id = id;
    EXPECT_EQ(api_.nvmlDeviceGetFieldValues(Gpu(0), 1, &field), abi::kSuccess);
    EXPECT_EQ(field.status, abi::kSuccess);
    return field.value.ull;
  }
};

TEST_F(EccTest, CountsWhatItIsTold) {
  Start("a100x2");
  EXPECT_EQ(Total(abi::kEccCorrected, abi::kEccVolatile), 0U);
  ASSERT_TRUE(node_->AddMemoryErrors(0, {.corrected = 3, .uncorrected = 1}).ok());
  ASSERT_TRUE(node_->AddMemoryErrors(0, {.uncorrected = 2, .sram = true}).ok());
  EXPECT_EQ(Total(abi::kEccCorrected, abi::kEccVolatile), 3U);
  EXPECT_EQ(Total(abi::kEccUncorrected, abi::kEccVolatile), 3U);
  EXPECT_EQ(Total(abi::kEccUncorrected, abi::kEccAggregate), 3U);
  EXPECT_EQ(At(abi::kEccUncorrected, abi::kLocationDram), 1U);
  EXPECT_EQ(At(abi::kEccUncorrected, abi::kLocationSram), 2U);
  EXPECT_EQ(Field(abi::kFieldEccCorrectedVolatile), 3U);
  EXPECT_EQ(Field(abi::kFieldEccUncorrectedAggregate), 3U);
  unsigned long long count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetMemoryErrorCounter(Gpu(0), abi::kEccCorrected, abi::kEccVolatile,
                                                 abi::MemoryLocation{0}, &count),
            abi::kNotSupported);
  EXPECT_EQ(
      api_.nvmlDeviceGetTotalEccErrors(Gpu(0), abi::EccErrorType{2}, abi::kEccVolatile, &count),
      abi::kInvalidArgument);
  abi::EccErrorCounts counts{};
  EXPECT_EQ(
      api_.nvmlDeviceGetDetailedEccErrors(Gpu(0), abi::kEccCorrected, abi::kEccVolatile, &counts),
      abi::kSuccess);
  EXPECT_EQ(counts.device_memory, 3U);
}

TEST_F(EccTest, RowsAreRemapped) {
  Start("a100x2");
  ASSERT_TRUE(node_->AddMemoryErrors(0, {.remapped_uncorrected = 2, .remap_pending = true}).ok());
  unsigned correctable = 9;
  unsigned uncorrectable = 9;
  unsigned pending = 9;
  unsigned failed = 9;
  ASSERT_EQ(api_.nvmlDeviceGetRemappedRows(Gpu(0), &correctable, &uncorrectable, &pending, &failed),
            abi::kSuccess);
  EXPECT_EQ(correctable, 0U);
  EXPECT_EQ(uncorrectable, 2U);
  EXPECT_EQ(pending, 1U);
  EXPECT_EQ(failed, 0U);
  EXPECT_EQ(Field(abi::kFieldRemappedPending), 1U);
  ASSERT_TRUE(node_->ForgetMemoryErrors(0).ok());
  EXPECT_EQ(Field(abi::kFieldRemappedPending), 0U);
}

TEST_F(EccTest, RootClearsOneCounterAndKeepsTheOther) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  Start("a100x2");
  ASSERT_TRUE(node_->AddMemoryErrors(0, {.corrected = 3}).ok());
  EXPECT_EQ(api_.nvmlDeviceClearEccErrorCounts(Gpu(0), abi::kEccVolatile), abi::kSuccess);
  EXPECT_EQ(Total(abi::kEccCorrected, abi::kEccVolatile), 0U);
  EXPECT_EQ(Total(abi::kEccCorrected, abi::kEccAggregate), 3U);
  ASSERT_EQ(seteuid(65534), 0);
  EXPECT_EQ(api_.nvmlDeviceClearEccErrorCounts(Gpu(0), abi::kEccAggregate), abi::kNoPermission);
  ASSERT_EQ(seteuid(0), 0);
}

TEST_F(EccTest, AWaiterHearsOfThem) {
  Start("a100x2");
  abi::EventSet set = nullptr;
  ASSERT_EQ(api_.nvmlEventSetCreate(&set), abi::kSuccess);
  ASSERT_EQ(api_.nvmlDeviceRegisterEvents(Gpu(0), abi::kEventDoubleBitEcc, set), abi::kSuccess);
  ASSERT_TRUE(node_->AddMemoryErrors(0, {.corrected = 1, .uncorrected = 1}).ok());
  abi::EventData data{};
  EXPECT_EQ(api_.nvmlEventSetWait_v2(set, &data, 0), abi::kSuccess);
  EXPECT_EQ(data.type, abi::kEventDoubleBitEcc);
  EXPECT_EQ(api_.nvmlEventSetWait_v2(set, &data, 0), abi::kTimeout);
}

TEST_F(EccTest, NotOfAGpuWithoutEcc) {
  Start("rtx4090");
  unsigned long long count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetTotalEccErrors(Gpu(0), abi::kEccCorrected, abi::kEccVolatile, &count),
            abi::kNotSupported);
  EXPECT_EQ(node_->AddMemoryErrors(0, {.corrected = 1}).code(), base::Code::kFailedPrecondition);
  EXPECT_EQ(node_->AddMemoryErrors(7, {.corrected = 1}).code(), base::Code::kNotFound);
}

}  // namespace
}  // namespace tranche::sim::nvml
