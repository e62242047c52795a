#include "sim/node/processes.h"

#include <gtest/gtest.h>

#include <memory>

namespace tranche::sim {
namespace {

constexpr std::uint64_t kSecondUs = 1'000'000;

class ProcessesTest : public ::testing::Test {
 protected:
  const std::unique_ptr<NodeState> state_ = std::make_unique<NodeState>();
  GpuState& gpu_ = state_->gpus[3];
};

TEST_F(ProcessesTest, KeepsWhenItBeganAndTheMostThatItHeld) {
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1, .memory_bytes = 100}, 10));
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1, .memory_bytes = 40, .start_us = 5}, 20));
  ASSERT_EQ(gpu_.process_count, 1U);
  EXPECT_EQ(gpu_.processes[0].memory_bytes, 40U);
  EXPECT_EQ(gpu_.processes[0].max_memory_bytes, 100U);
  EXPECT_EQ(gpu_.processes[0].start_us, 10U);
}

TEST_F(ProcessesTest, OnePidMayBeOnSeveralMigDevicesAndLeavesThemAll) {
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1, .gpu_instance = 1}, 0));
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1, .gpu_instance = 2}, 0));
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 2, .gpu_instance = 2}, 0));
  EXPECT_EQ(gpu_.process_count, 3U);
  EXPECT_TRUE(EndProcess(*state_, 3, 1, 0));
  ASSERT_EQ(gpu_.process_count, 1U);
  EXPECT_EQ(gpu_.processes[0].pid, 2U);
  EXPECT_FALSE(EndProcess(*state_, 3, 1, 0));
}

TEST_F(ProcessesTest, AGpuTakesOnlySoMany) {
  for (unsigned pid = 1; pid <= kMaxProcesses; ++pid) {
    ASSERT_TRUE(PutProcess(gpu_, {.pid = pid}, 0));
  }
  EXPECT_FALSE(PutProcess(gpu_, {.pid = 9999}, 0));
  EXPECT_TRUE(PutProcess(gpu_, {.pid = 7, .memory_bytes = 1}, 0)) << "one that is there changes";
}

TEST_F(ProcessesTest, AccountsForWhatEndedOnlyWhereAccountingIsOn) {
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1}, 0));
  ASSERT_TRUE(EndProcess(*state_, 3, 1, kSecondUs));
  EXPECT_EQ(state_->last_account[3], 0U);
  gpu_.accounting = 1;
  state_->header.time_scale = 10;
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1, .memory_bytes = 7, .by_driver = 1}, kSecondUs));
  // Two seconds of the driver, in half of which it computed.
  ASSERT_TRUE(PutProcess(gpu_, {.pid = 1, .by_driver = 1, .busy_us = kSecondUs}, 2 * kSecondUs));
  ASSERT_TRUE(EndProcess(*state_, 3, 1, 21 * kSecondUs));
  ASSERT_EQ(state_->last_account[3], 1U);
  const AccountState& account = state_->accounts[3][1];
  EXPECT_EQ(account.pid, 1U);
  EXPECT_EQ(account.sm_percent, 50U);
  EXPECT_EQ(account.max_memory_bytes, 7U);
  EXPECT_EQ(account.start_us, kSecondUs);
  EXPECT_EQ(account.time_ms, 2000U);
}

TEST_F(ProcessesTest, OldAccountsGiveWay) {
  gpu_.accounting = 1;
  for (unsigned pid = 1; pid <= kMaxAccounts + 1; ++pid) {
    ASSERT_TRUE(PutProcess(gpu_, {.pid = pid}, 0));
    ASSERT_TRUE(EndProcess(*state_, 3, pid, 0));
  }
  EXPECT_EQ(state_->last_account[3], kMaxAccounts + 1);
  EXPECT_EQ(state_->accounts[3][1].pid, kMaxAccounts + 1);
}

}  // namespace
}  // namespace tranche::sim
