#include "base/weak_runner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"

namespace tranche::base {
namespace {

class WeakRunnerTest : public ::testing::Test {
 protected:
  testing::FakeLoop loop_;
  std::unique_ptr<WeakRunner> runner_ = std::make_unique<WeakRunner>(loop_);
  int ran_ = 0;
};

TEST_F(WeakRunnerTest, PostedTasksRunOnTheLoopInOrder) {
  std::vector<int> ran;
  runner_->Post([&] { ran.push_back(1); });
  runner_->Post([&] { ran.push_back(2); });
  EXPECT_TRUE(ran.empty()) << "not at once";
  loop_.RunPosted();
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
}

TEST_F(WeakRunnerTest, APostedTaskDoesNothingOnceTheRunnerIsGone) {
  runner_->Post([this] { ++ran_; });
  runner_.reset();
  loop_.RunPosted();
  EXPECT_EQ(ran_, 0);
}

TEST_F(WeakRunnerTest, ATaskMayDestroyTheRunnerAndTheNextOneDoesNothing) {
  auto held = std::make_shared<int>(5);
  runner_->Post([this, held] {
    runner_.reset();
    ran_ += *held;  // what the task captured is still there
  });
  runner_->Post([this] { ++ran_; });
  loop_.RunPosted();
  EXPECT_EQ(ran_, 5);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(WeakRunnerTest, AWrappedCallPassesItsArgumentsOn) {
  std::string got;
  const std::function<void(const std::string&, int)> call =
      runner_->Wrap([&](const std::string& text, int times) {
        for (int i = 0; i < times; ++i) got += text;
      });
  call("ab", 2);
  EXPECT_EQ(got, "abab");
}

TEST_F(WeakRunnerTest, AWrappedCallMovesWhatItIsGiven) {
  std::unique_ptr<int> got;
  auto call = runner_->Wrap([&](std::unique_ptr<int> value) { got = std::move(value); });
  call(std::make_unique<int>(3));
  ASSERT_NE(got, nullptr);
  EXPECT_EQ(*got, 3);
}

TEST_F(WeakRunnerTest, AWrappedCallDoesNothingOnceTheRunnerIsGone) {
  const std::function<void(int)> call = runner_->Wrap([this](int by) { ran_ += by; });
  call(1);
  runner_.reset();
  call(1);
  EXPECT_EQ(ran_, 1);
}

TEST_F(WeakRunnerTest, AWrappedTimerTaskDoesNothingOnceTheRunnerIsGone) {
  loop_.RunAfter(std::chrono::seconds(1), runner_->Wrap([this] { ++ran_; }));
  loop_.RunAfter(std::chrono::seconds(2), [this] { runner_.reset(); });
  loop_.RunAfter(std::chrono::seconds(3), runner_->Wrap([this] { ++ran_; }));
  loop_.AdvanceBy(std::chrono::seconds(5));
  EXPECT_EQ(ran_, 1);
}

TEST_F(WeakRunnerTest, TheCheckTellsWhetherACallbackDestroyedTheOwner) {
  const auto alive = runner_->AliveCheck();
  EXPECT_TRUE(alive());
  runner_.reset();
  EXPECT_FALSE(alive());
}

TEST_F(WeakRunnerTest, ARunnerDeclaredLastKeepsCallbacksFromAHalfDestroyedOwner) {
  struct CallsBackWhenDestroyed {
    std::function<void()> call;
    ~CallsBackWhenDestroyed() { call(); }
  };
  struct Owner {
    explicit Owner(EventLoop& loop) : runner(loop) {}
    CallsBackWhenDestroyed part;
    WeakRunner runner;
  };
  auto owner = std::make_unique<Owner>(loop_);
  owner->part.call = owner->runner.Wrap([this] { ++ran_; });
  owner.reset();
  EXPECT_EQ(ran_, 0);
}

// The thread sanitizer looks at this one, too.
TEST(WeakRunnerThreadTest, OtherThreadsMayPostWhileTheRunnerLives) {
  testing::RealLoop loop;
  auto runner = std::make_unique<WeakRunner>(*loop);
  int ran = 0;  // only ever touched on the loop's thread, hence not atomic
  constexpr int kThreads = 4;
  constexpr int kPosts = 200;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int post = 0; post < kPosts; ++post) runner->Post([&ran] { ++ran; });
    });
  }
  EXPECT_TRUE(loop.RunUntil([&] { return ran == kThreads * kPosts; }));
  for (std::thread& thread : threads) thread.join();
}

TEST(WeakRunnerThreadTest, WhatAThreadPostedBeforeTheRunnerWentDoesNothing) {
  testing::RealLoop loop;
  auto runner = std::make_unique<WeakRunner>(*loop);
  int ran = 0;
  std::thread poster([&] { runner->Post([&ran] { ++ran; }); });
  poster.join();
  runner.reset();
  bool after = false;
  loop->Post([&] { after = true; });
  EXPECT_TRUE(loop.RunUntil([&] { return after; }));
  EXPECT_EQ(ran, 0);
}

}  // namespace
}  // namespace tranche::base
