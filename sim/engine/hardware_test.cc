#include "sim/engine/hardware.h"

#include <gtest/gtest.h>

namespace tranche::sim::engine {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

TEST(Hardware, AContextCostsNearlyWhatWasMeasured) {
  const Chip rtx_4060_ti = {.compute_major = 8, .compute_minor = 9, .multiprocessors = 34};
  const Chip rtx_pro_6000 = {.compute_major = 12, .compute_minor = 0, .multiprocessors = 188};
  EXPECT_NEAR(static_cast<double>(ContextBytes(rtx_4060_ti)), 107.0 * kMiB, 6.0 * kMiB);
  EXPECT_NEAR(static_cast<double>(ContextBytes(rtx_pro_6000)), 555.0 * kMiB, 28.0 * kMiB);
  const Chip rtx_3090 = {.compute_major = 8, .compute_minor = 6, .multiprocessors = 82};
  EXPECT_NEAR(static_cast<double>(ContextBytes(rtx_3090)), 256.0 * kMiB, 13.0 * kMiB);
}

TEST(Hardware, AContextOfADataCenterGpuCostsHundredsOfMebibytes) {
  EXPECT_EQ(ContextBytes({.compute_major = 7, .compute_minor = 5, .multiprocessors = 40}),
            100 * kMiB);
  EXPECT_EQ(ContextBytes({.compute_major = 8, .compute_minor = 0, .multiprocessors = 108}),
            378 * kMiB);
  EXPECT_EQ(ContextBytes({.compute_major = 9, .compute_minor = 0, .multiprocessors = 132}),
            462 * kMiB);
  EXPECT_GT(ContextBytes({}), 0U);
}

TEST(Hardware, ALinkCarriesWhatWasMeasured) {
  EXPECT_EQ(LinkRate(4, 16), 25'000'000'000U);
  EXPECT_EQ(LinkRate(4, 8), 12'500'000'000U);
  EXPECT_EQ(LinkRate(9, 16), LinkRate(5, 16));
  EXPECT_GT(LinkRate(0, 0), 0U);
}

TEST(Hardware, DeviceMemoryCarriesPartOfWhatItsBusCould) {
  EXPECT_NEAR(static_cast<double>(MemoryRate(5120, 1593)), 0.8 * 2039e9, 1e9);  // A100 80 GB
  EXPECT_GT(MemoryRate(0, 0), 0U);
}

TEST(Hardware, ACopyTakesItsSetupAndItsBytes) {
  EXPECT_EQ(CopyTime(0, 1'000'000'000), kCopySetup);
  EXPECT_EQ(CopyTime(1000, 1'000'000'000), kCopySetup + 1000);
  EXPECT_GT(CopyTime(~std::uint64_t{0}, 0), 0);
}

TEST(Hardware, AKernelTakesTheRoundsThatItsBlocksNeed) {
  EXPECT_EQ(KernelTime(0, 108), kEmptyKernel);
  EXPECT_EQ(KernelTime(108, 108), kEmptyKernel + kBlock);
  EXPECT_EQ(KernelTime(109, 108), kEmptyKernel + 2 * kBlock);
  EXPECT_GT(KernelTime(~std::uint64_t{0}, 0), 0);
}

}  // namespace
}  // namespace tranche::sim::engine
