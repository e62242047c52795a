#include "base/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"

namespace tranche::base {
namespace {

using std::chrono::milliseconds;
using testing::FakeLoop;
using testing::RealLoop;

// A pipe that says when it is readable.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    TRANCHE_CHECK(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    read_end = UniqueFd(ends[0]);
    write_end = UniqueFd(ends[1]);
  }
  void Write() const { TRANCHE_CHECK(write(write_end.get(), "x", 1) == 1); }
  void Drain() const {
    std::array<char, 16> bytes{};
    while (read(read_end.get(), bytes.data(), bytes.size()) > 0) {
    }
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

class EpollLoopTest : public ::testing::Test {
 protected:
  RealLoop loop_;
  std::string order_;
};

TEST_F(EpollLoopTest, PostedWorkRunsInOrder) {
  for (char c : {'a', 'b', 'c'}) loop_->Post([this, c] { order_ += c; });
  loop_->Post([this] { loop_->Stop(); });
  loop_->Run();
  EXPECT_EQ(order_, "abc");
}

TEST_F(EpollLoopTest, WorkPostedByWorkRunsTooAndDoesNotStarveTimers) {
  int left = 1000;
  std::function<void()> again = [&] {
    if (--left > 0) loop_->Post(again);
  };
  loop_->Post(again);
  int left_at_timer = 0;
  loop_->RunAfter(milliseconds(0), [&] { left_at_timer = left; });
  ASSERT_TRUE(loop_.RunUntil([&] { return left == 0; }));
  EXPECT_GT(left_at_timer, 0);
}

TEST_F(EpollLoopTest, ManyThreadsMayPostAtOnce) {
  constexpr int kThreads = 8;
  constexpr int kEach = 2000;
  std::vector<int> last(kThreads, -1);
  int ran = 0;
  bool in_order = true;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        loop_->Post([&, t, i] {
          in_order = in_order && last[static_cast<std::size_t>(t)] == i - 1;
          last[static_cast<std::size_t>(t)] = i;
          ++ran;
        });
      }
    });
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return ran == kThreads * kEach; }));
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(in_order);
}

TEST_F(EpollLoopTest, APostWakesALoopThatSleeps) {
  std::thread poster;
  // From inside the loop, so that it has begun; nothing else would ever wake it.
  loop_->Post([&] { poster = std::thread([&] { loop_->Post([&] { loop_->Stop(); }); }); });
  loop_->Run();
  poster.join();
}

TEST_F(EpollLoopTest, StopFromAnotherThreadEndsRun) {
  std::thread stopper;
  loop_->Post([&] { stopper = std::thread([&] { loop_->Stop(); }); });
  loop_->Run();
  stopper.join();
  loop_->Post([&] {
    order_ += "again";
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(order_, "again");
}

TEST_F(EpollLoopTest, TimersRunWhenDueAndInTheOrderSetWhereDueTogether) {
  loop_->RunAfter(milliseconds(20), [this] { order_ += 'd'; });
  loop_->RunAfter(milliseconds(5), [this] { order_ += 'c'; });
  loop_->RunAfter(milliseconds(-100), [this] { order_ += 'a'; });
  loop_->RunAfter(milliseconds(0), [this] { order_ += 'b'; });
  const TimePoint begin = loop_->Now();
  ASSERT_TRUE(loop_.RunUntil([this] { return order_.size() == 4; }));
  EXPECT_EQ(order_, "abcd");
  EXPECT_GE(loop_->Now() - begin, milliseconds(20));
}

TEST_F(EpollLoopTest, ATimerIsNeverEarly) {
  TimePoint due;
  TimePoint ran;
  for (int i = 0; i < 20; ++i) {
    const auto delay = std::chrono::microseconds(100 + 333 * i);
    due = loop_->Now() + delay;
    loop_->RunAfter(delay, [&] {
      ran = loop_->Now();
      loop_->Stop();
    });
    loop_->Run();
    EXPECT_GE(ran, due - std::chrono::microseconds(1));
  }
}

TEST_F(EpollLoopTest, ACancelledTimerDoesNotRun) {
  const auto id = loop_->RunAfter(milliseconds(1), [this] { order_ += 'x'; });
  loop_->CancelTimer(id);
  loop_->CancelTimer(id);
  loop_->CancelTimer(0);
  loop_->CancelTimer(987654);
  loop_.RunFor(milliseconds(10));
  EXPECT_EQ(order_, "");
}

TEST_F(EpollLoopTest, ACallbackMayCancelTimersItsOwnIncluded) {
  EventLoop::TimerId second = 0;
  EventLoop::TimerId first = 0;
  first = loop_->RunAfter(milliseconds(0), [&] {
    order_ += 'a';
    loop_->CancelTimer(first);
    loop_->CancelTimer(second);
    loop_->RunAfter(milliseconds(0), [&] { order_ += 'c'; });
  });
  second = loop_->RunAfter(milliseconds(0), [&] { order_ += 'b'; });
  ASSERT_TRUE(loop_.RunUntil([this] { return order_.find('c') != std::string::npos; }));
  EXPECT_EQ(order_, "ac");
}

TEST_F(EpollLoopTest, AReadableDescriptorCallsUntilItIsDrained) {
  const Pipe pipe;
  int calls = 0;
  loop_->WatchFd(pipe.read_end.get(), FdEvents::kRead, [&] {
    if (++calls == 3) pipe.Drain();
  });
  loop_.RunFor(milliseconds(5));
  EXPECT_EQ(calls, 0);
  pipe.Write();
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(calls, 3);
}

TEST_F(EpollLoopTest, AWritableDescriptorIsSeen) {
  const Pipe pipe;
  bool writable = false;
  EventLoop::WatchId id = 0;
  id = loop_->WatchFd(pipe.write_end.get(), FdEvents::kWrite, [&] {
    writable = true;
    loop_->UnwatchFd(id);
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return writable; }));
}

TEST_F(EpollLoopTest, AWatchMayEndItselfAndOthersInItsCallback) {
  const Pipe one;
  const Pipe two;
  one.Write();
  two.Write();
  int calls = 0;
  EventLoop::WatchId first = 0;
  EventLoop::WatchId second = 0;
  // Both are ready in the same round: whichever comes first silences both. What a callback captured
  // stays alive while it runs.
  const auto end_both = [&, text = std::string(100, 'x')] {
    ++calls;
    loop_->UnwatchFd(first);
    loop_->UnwatchFd(second);
    EXPECT_EQ(text, std::string(100, 'x'));
  };
  first = loop_->WatchFd(one.read_end.get(), FdEvents::kRead, end_both);
  second = loop_->WatchFd(two.read_end.get(), FdEvents::kRead, end_both);
  loop_.RunFor(milliseconds(20));
  EXPECT_EQ(calls, 1);
}

TEST_F(EpollLoopTest, ADescriptorClosedAndMadeAnewDoesNotHearTheOldWatch) {
  auto pipe = std::make_unique<Pipe>();
  const int number = pipe->read_end.get();
  bool old_called = false;
  const auto id = loop_->WatchFd(number, FdEvents::kRead, [&] { old_called = true; });
  loop_->UnwatchFd(id);
  pipe.reset();
  const Pipe next;
  ASSERT_EQ(next.read_end.get(), number);
  bool called = false;
  loop_->WatchFd(number, FdEvents::kRead, [&] {
    called = true;
    next.Drain();
  });
  next.Write();
  EXPECT_TRUE(loop_.RunUntil([&] { return called; }));
  EXPECT_FALSE(old_called);
}

TEST_F(EpollLoopTest, MoreDescriptorsThanOneRoundHoldsAreAllServed) {
  std::vector<Pipe> pipes(100);
  int calls = 0;
  for (const Pipe& pipe : pipes) {
    pipe.Write();
    loop_->WatchFd(pipe.read_end.get(), FdEvents::kRead, [&] {
      ++calls;
      pipe.Drain();
    });
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return calls == 100; }));
}

TEST_F(EpollLoopTest, DestroyingALoopDropsWhatWasPosted) {
  const auto held = std::make_shared<int>(1);
  loop_->Post([held] {});
  loop_->RunAfter(std::chrono::hours(1), [held] {});
  EXPECT_EQ(held.use_count(), 3);
  loop_.Destroy();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(EpollLoopTest, WhatATaskCapturedGoesBeforeTheNextTaskRuns) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  loop_->Post([held = std::move(held)] {});
  bool gone = false;
  loop_->Post([&] { gone = seen.expired(); });
  loop_.RunFor(milliseconds(1));
  EXPECT_TRUE(gone);
}

TEST_F(EpollLoopTest, LoopsLeakNoDescriptors) {
  const int before = testing::OpenFiles();
  for (int i = 0; i < 100; ++i) {
    RealLoop loop;
    loop->Post([&] { loop->Stop(); });
    loop->Run();
  }
  EXPECT_EQ(testing::OpenFiles(), before);
}

TEST(EpollLoopDeathTest, WatchingAClosedDescriptorIsABrokenInvariant) {
  RealLoop loop;
  EXPECT_DEATH(loop->WatchFd(-1, FdEvents::kRead, [] {}), "broken invariant");
}

// ---- signals ----

class SignalWatchTest : public EpollLoopTest {
 protected:
  void SetUp() override { pthread_sigmask(SIG_SETMASK, nullptr, &before_); }
  void TearDown() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  sigset_t before_{};
};

TEST_F(SignalWatchTest, SignalsArriveOnTheLoop) {
  std::vector<int> got;
  const auto watch =
      WatchSignals(*loop_, {SIGUSR1, SIGHUP}, [&](int number) { got.push_back(number); });
  ASSERT_TRUE(watch.ok());
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGHUP);
  ASSERT_TRUE(loop_.RunUntil([&] { return got.size() == 2; }));
  EXPECT_EQ(std::multiset<int>(got.begin(), got.end()), (std::multiset<int>{SIGHUP, SIGUSR1}));
}

TEST_F(SignalWatchTest, ThreadsStartedLaterDoNotTakeTheSignal) {
  bool got = false;
  const auto watch = WatchSignals(*loop_, {SIGUSR2}, [&](int) { got = true; });
  ASSERT_TRUE(watch.ok());
  std::atomic<bool> done = false;
  std::thread bystander([&] {
    while (!done) std::this_thread::yield();
  });
  kill(getpid(), SIGUSR2);
  EXPECT_TRUE(loop_.RunUntil([&] { return got; }));
  done = true;
  bystander.join();
}

TEST_F(SignalWatchTest, TheCallbackMayEndTheWatch) {
  std::unique_ptr<SignalWatch> watch;
  std::vector<int> got;
  auto made = WatchSignals(*loop_, {SIGUSR1, SIGUSR2}, [&](int number) {
    got.push_back(number);
    watch.reset();
  });
  ASSERT_TRUE(made.ok());
  watch = std::move(*made);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  ASSERT_TRUE(loop_.RunUntil([&] { return !got.empty(); }));
  loop_.RunFor(milliseconds(5));
  EXPECT_EQ(got.size(), 1U);
  // The other one is pending and blocked: taken here, so that it does not end the test.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  const timespec at_once{};
  EXPECT_GT(sigtimedwait(&set, nullptr, &at_once), 0);
}

// ---- the fake ----

TEST(FakeLoopTest, RunsTimersInOrderAndPostedWorkBetween) {
  FakeLoop loop;
  std::string order;
  loop.RunAfter(milliseconds(10), [&] {
    order += 'b';
    loop.Post([&] { order += 'c'; });
  });
  loop.RunAfter(milliseconds(10), [&] { order += 'd'; });
  loop.RunAfter(milliseconds(5), [&] { order += 'a'; });
  const TimePoint begin = loop.Now();
  loop.AdvanceBy(milliseconds(9));
  EXPECT_EQ(order, "a");
  loop.AdvanceBy(milliseconds(1));
  EXPECT_EQ(order, "abcd");
  EXPECT_EQ(loop.Now() - begin, milliseconds(10));
  EXPECT_EQ(loop.timer_count(), 0U);
}

}  // namespace
}  // namespace tranche::base
