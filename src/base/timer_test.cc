#include "base/timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/testing/fake_loop.h"

namespace tranche::base {
namespace {

using std::chrono::seconds;

class TimerTest : public ::testing::Test {
 protected:
  testing::FakeLoop loop_;
  std::optional<Timer> timer_{std::in_place, loop_};
  int ran_ = 0;
};

TEST_F(TimerTest, RunsItsTaskOnceAfterTheDelay) {
  EXPECT_FALSE(timer_->running());
  timer_->Start(seconds(2), [this] { ++ran_; });
  EXPECT_TRUE(timer_->running());
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(ran_, 0);
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(ran_, 1);
  EXPECT_FALSE(timer_->running());
}

TEST_F(TimerTest, ANewStartReplacesTheTaskThatWaits) {
  std::vector<int> ran;
  timer_->Start(seconds(1), [&] { ran.push_back(1); });
  timer_->Start(seconds(3), [&] { ran.push_back(2); });
  EXPECT_EQ(loop_.timer_count(), 1U);
  loop_.AdvanceBy(seconds(2));
  EXPECT_TRUE(ran.empty());
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(ran, std::vector<int>{2});
}

TEST_F(TimerTest, StopKeepsTheTaskFromRunning) {
  timer_->Start(seconds(1), [this] { ++ran_; });
  timer_->Stop();
  timer_->Stop();
  EXPECT_FALSE(timer_->running());
  loop_.AdvanceBy(seconds(5));
  EXPECT_EQ(ran_, 0);
}

TEST_F(TimerTest, ATimerThatIsDestroyedRunsNothingAndLeavesNothingInTheLoop) {
  timer_->Start(seconds(1), [this] { ++ran_; });
  timer_.reset();
  EXPECT_EQ(loop_.timer_count(), 0U);
  loop_.AdvanceBy(seconds(5));
  EXPECT_EQ(ran_, 0);
}

TEST_F(TimerTest, TheTaskMayStartTheTimerAgain) {
  std::function<void()> again = [&] {
    EXPECT_FALSE(timer_->running()) << "while the task runs, none waits";
    if (++ran_ < 3) timer_->Start(seconds(1), again);
  };
  timer_->Start(seconds(1), again);
  loop_.AdvanceBy(seconds(2));
  EXPECT_EQ(ran_, 2);
  EXPECT_TRUE(timer_->running());
  loop_.AdvanceBy(seconds(5));
  EXPECT_EQ(ran_, 3);
  EXPECT_FALSE(timer_->running());
}

TEST_F(TimerTest, AStopInTheTaskDoesNotEndAnotherTimer) {
  Timer other(loop_);
  timer_->Start(seconds(1), [this] { timer_->Stop(); });
  other.Start(seconds(2), [this] { ++ran_; });
  loop_.AdvanceBy(seconds(3));
  EXPECT_EQ(ran_, 1);
}

TEST_F(TimerTest, TheTaskMayDestroyTheTimerAndGoOn) {
  auto held = std::make_shared<int>(7);
  timer_->Start(seconds(1), [this, held] {
    timer_.reset();
    ran_ += *held;  // what the task captured is still there
  });
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(ran_, 7);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TimerTest, WhatAStoppedTaskCapturedIsReleased) {
  auto held = std::make_shared<int>(1);
  timer_->Start(seconds(1), [held] {});
  EXPECT_GT(held.use_count(), 1);
  timer_->Stop();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tranche::base
