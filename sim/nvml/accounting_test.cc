// NVML's accounting of processes that run, and of those that have ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "sim/node/processes.h"
#include "sim/node/testing/nvml_fixture.h"
#include "sim/nvml/library.h"

namespace tranche::sim::nvml {
namespace {

using ::testing::ElementsAre;

class AccountingTest : public sim::testing::NvmlFixture {
 protected:
  void StartAccounting() {
    if (geteuid() != 0) GTEST_SKIP() << "accounting is switched on by root";
    Start("a100x2");
    if (HasFatalFailure()) return;
    ASSERT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), abi::kEnabled), abi::kSuccess);
  }

  std::vector<unsigned> Pids() {
    std::vector<unsigned> pids(std::size_t{2} * kMaxAccounts);
    auto count = static_cast<unsigned>(pids.size());
    EXPECT_EQ(api_.nvmlDeviceGetAccountingPids(Gpu(0), &count, pids.data()), abi::kSuccess);
    pids.resize(count);
    return pids;
  }

  abi::AccountingStats Stats(unsigned pid) {
    abi::AccountingStats stats{};
    EXPECT_EQ(api_.nvmlDeviceGetAccountingStats(Gpu(0), pid, &stats), abi::kSuccess);
    return stats;
  }
};

TEST_F(AccountingTest, IsOffAtFirst) {
  Start("a100x2");
  abi::EnableState mode = abi::kEnabled;
  EXPECT_EQ(api_.nvmlDeviceGetAccountingMode(Gpu(0), &mode), abi::kSuccess);
  EXPECT_EQ(mode, abi::kDisabled);
  unsigned count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetAccountingPids(Gpu(0), &count, nullptr), abi::kNotSupported);
  EXPECT_EQ(api_.nvmlDeviceGetAccountingBufferSize(Gpu(0), &count), abi::kNotSupported);
  abi::AccountingStats stats{};
  EXPECT_EQ(api_.nvmlDeviceGetAccountingStats(Gpu(0), 1, &stats), abi::kNotSupported);
}

TEST_F(AccountingTest, OnlyRootSetsIt) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root, to be somebody else for a moment";
  Start("a100x2");
  ASSERT_EQ(seteuid(65534), 0);
  EXPECT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), abi::kEnabled), abi::kNoPermission);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), abi::kEnabled), abi::kSuccess);
  abi::EnableState mode = abi::kDisabled;
  EXPECT_EQ(api_.nvmlDeviceGetAccountingMode(Gpu(0), &mode), abi::kSuccess);
  EXPECT_EQ(mode, abi::kEnabled);
  EXPECT_EQ(api_.nvmlDeviceGetAccountingMode(Gpu(1), &mode), abi::kSuccess);
  EXPECT_EQ(mode, abi::kDisabled) << "it is one GPU's";
  EXPECT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), static_cast<abi::EnableState>(2)),
            abi::kInvalidArgument);
}

TEST_F(AccountingTest, OfAProcessThatRunsAndThatHasEnded) {
  StartAccounting();
  if (IsSkipped()) return;
  ASSERT_TRUE(
      node_->AddProcess({.slot = 0}, {.pid = 31, .memory_bytes = 5 << 20, .sm_percent = 40}).ok());
  ASSERT_TRUE(
      node_->AddProcess({.slot = 0}, {.pid = 31, .memory_bytes = 2 << 20, .sm_percent = 40}).ok());
  unsigned count = 0;
  EXPECT_EQ(api_.nvmlDeviceGetAccountingPids(Gpu(0), &count, nullptr), abi::kInsufficientSize);
  EXPECT_EQ(count, 1U);
  abi::AccountingStats stats = Stats(31);
  EXPECT_EQ(stats.is_running, 1U);
  EXPECT_EQ(stats.time_ms, 0U);
  EXPECT_EQ(stats.gpu_utilization, 40U);
  EXPECT_EQ(stats.max_memory_usage, 5U << 20);
  EXPECT_LE(stats.start_time_us, RealtimeUs());
  ASSERT_TRUE(node_->RemoveProcess(0, 31).ok());
  EXPECT_THAT(Pids(), ElementsAre(31U));
  stats = Stats(31);
  EXPECT_EQ(stats.is_running, 0U);
  EXPECT_EQ(stats.max_memory_usage, 5U << 20);
  EXPECT_EQ(api_.nvmlDeviceGetAccountingStats(Gpu(0), 32, &stats), abi::kNotFound);
}

TEST_F(AccountingTest, IsForgottenWhenClearedOrSwitchedOff) {
  StartAccounting();
  if (IsSkipped()) return;
  for (const unsigned pid : {41U, 42U}) {
    ASSERT_TRUE(node_->AddProcess({.slot = 0}, {.pid = pid}).ok());
  }
  ASSERT_TRUE(node_->RemoveProcess(0, 41).ok());
  EXPECT_THAT(Pids(), ElementsAre(42U, 41U));
  EXPECT_EQ(api_.nvmlDeviceClearAccountingPids(Gpu(0)), abi::kSuccess);
  EXPECT_THAT(Pids(), ElementsAre(42U)) << "what runs is kept";
  ASSERT_TRUE(node_->RemoveProcess(0, 42).ok());
  EXPECT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), abi::kDisabled), abi::kSuccess);
  EXPECT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), abi::kEnabled), abi::kSuccess);
  EXPECT_THAT(Pids(), ElementsAre());
}

TEST_F(AccountingTest, NotOfAGpuThatMigHasCut) {
  Start("a100-mig-uniform");
  EXPECT_EQ(api_.nvmlDeviceSetAccountingMode(Gpu(0), abi::kEnabled), abi::kNotSupported);
}

}  // namespace
}  // namespace tranche::sim::nvml
