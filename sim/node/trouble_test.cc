#include "sim/node/trouble.h"

#include <gtest/gtest.h>

#include "sim/node/testing/nvml_fixture.h"

namespace tranche::sim {
namespace {

TEST(FaultNamesTest, EveryVersionOfACall) {
  EXPECT_TRUE(FaultNames("nvmlDeviceGetCount", "nvmlDeviceGetCount"));
  EXPECT_TRUE(FaultNames("nvmlDeviceGetCount", "nvmlDeviceGetCount_v2"));
  EXPECT_FALSE(FaultNames("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"));
  EXPECT_FALSE(FaultNames("nvmlDeviceGetMig", "nvmlDeviceGetMigMode"));
  EXPECT_TRUE(FaultNames("nvmlInit", "nvmlInitWithFlags"));
  EXPECT_TRUE(FaultNames("cuMemAlloc", "cuMemAlloc_v2"));
  EXPECT_FALSE(FaultNames("cuMemAlloc", "cuMemAllocAsync"));
  EXPECT_TRUE(FaultNames("cuLaunchKernel", "cuLaunchKernel_ptsz"));
  EXPECT_TRUE(FaultNames("cuMemcpyHtoDAsync", "cuMemcpyHtoDAsync_v2_ptsz"));
  EXPECT_TRUE(FaultNames("cuMemcpy", "cuMemcpy_ptds"));
}

TEST(FaultNamesTest, AllCallsThatBeginSo) {
  EXPECT_TRUE(FaultNames("*", "nvmlInit_v2"));
  EXPECT_FALSE(FaultNames("*", "cuInit")) << "alone it means NVML, as before there was a CUDA";
  EXPECT_TRUE(FaultNames("cu*", "cuInit"));
  EXPECT_TRUE(FaultNames("cuMem*", "cuMemFree_v2"));
  EXPECT_FALSE(FaultNames("cuMem*", "cuInit"));
}

class TroubleTest : public testing::NvmlFixture {
 protected:
  void SetUp() override {
    Create("a100x2");
    if (HasFatalFailure()) return;
    reader_ = StateReader::Open(*StatePath(root_.path()));
    trouble_ = std::make_unique<Trouble>(*reader_);
  }
  std::unique_ptr<StateReader> reader_;
  std::unique_ptr<Trouble> trouble_;
};

TEST_F(TroubleTest, ACallFailsUntilHealed) {
  EXPECT_EQ(trouble_->Of("cuMemAlloc_v2", kWholeGpu), 0U);
  ASSERT_TRUE(node_->Break({.call = "cuMemAlloc", .code = 2}).ok());
  EXPECT_EQ(trouble_->Of("cuMemAlloc_v2", kWholeGpu), 2U);
  EXPECT_EQ(trouble_->Of("cuMemFree_v2", kWholeGpu), 0U);
  ASSERT_TRUE(node_->Heal("cuMemAlloc").ok());
  EXPECT_EQ(trouble_->Of("cuMemAlloc_v2", kWholeGpu), 0U);
}

TEST_F(TroubleTest, OnlyOneGpuAndOnlySoManyCalls) {
  ASSERT_TRUE(node_->Break({.call = "cuCtxCreate", .code = 999, .count = 2, .slot = 1}).ok());
  EXPECT_EQ(trouble_->Of("cuCtxCreate_v2", 0), 0U);
  EXPECT_EQ(trouble_->Of("cuCtxCreate_v2", 1), 999U);
  EXPECT_EQ(trouble_->Of("cuCtxCreate_v4", 1), 999U);
  EXPECT_EQ(trouble_->Of("cuCtxCreate_v2", 1), 0U);
  EXPECT_EQ(Trouble(*reader_).Of("cuCtxCreate_v2", 1), 999U) << "the count is each process's own";
}

TEST_F(TroubleTest, AHangEndsByItself) {
  ASSERT_TRUE(
      node_
          ->Break({.call = "cuCtxSynchronize", .hang = true, .lasts = std::chrono::milliseconds(1)})
          .ok());
  EXPECT_EQ(trouble_->Of("cuCtxSynchronize", kWholeGpu), 0U);
}

}  // namespace
}  // namespace tranche::sim
