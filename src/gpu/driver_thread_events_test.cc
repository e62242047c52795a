// A storm of events: what reaches the loop, how much of it waits, and how often the driver is
// asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "base/testing/fake_loop.h"
#include "gpu/driver_thread.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::gpu {
namespace {

using namespace std::chrono_literals;
using testing::FakeDriver;
using ::testing::SizeIs;
using Time = std::chrono::steady_clock::time_point;

class DriverThreadEventsTest : public ::testing::Test {
 protected:
  void Start(EventLimits limits = {}) {
    thread_ = DriverThread::Start(
        loop_, driver_,
        {.scanned = [this](const Scan&) { ++scans_; },
         .health_event = [this](const HealthEvent& event) { events_.push_back(event); },
         .topology = {}},
        [clock = clock_] { return clock->load(); }, limits);
    LookAgain();
  }
  void LookAgain() {
    const int before = scans_;
    thread_->RequestScan(ScanMode::kKeepDriver);
    Until([&] { return scans_ > before; });
  }
  // The driver's threads are real: gives them time until `done`; the loop runs meanwhile.
  void Until(const std::function<bool()>& done) {
    UntilOutside([&] {
      loop_.RunPosted();
      return done();
    });
  }
  // The same while the loop is busy with something else.
  static void UntilOutside(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit);
      std::this_thread::yield();
    }
  }
  void Raise(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t xid = first; xid <= last; ++xid) driver_->RaiseXid("GPU-0", xid);
  }
  [[nodiscard]] int Waits() const { return driver_->Calls("WaitForEvents"); }
  void Pass(std::chrono::nanoseconds time) { *clock_ = clock_->load() + time; }
  ~DriverThreadEventsTest() override { thread_.reset(); }

  base::testing::FakeLoop loop_;
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>(FakeDriver::Gpus(2));
  // Shared: a thread may outlive the fixture.
  std::shared_ptr<std::atomic<Time>> clock_ = std::make_shared<std::atomic<Time>>(Time(1h));
  std::vector<HealthEvent> events_;
  int scans_ = 0;
  std::unique_ptr<DriverThread> thread_;
};

TEST_F(DriverThreadEventsTest, TheSameEventsAreOne) {
  for (int i = 0; i < 1000; ++i) driver_->RaiseXid("GPU-1", 94);
  driver_->RaiseXid("GPU-0", 94);
  Start();
  Until([&] { return !events_.empty(); });
  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(events_[0].uuid, "GPU-1");
  EXPECT_EQ(events_[1].uuid, "GPU-0");
}

TEST_F(DriverThreadEventsTest, OneDeliveryIsBounded) {
  Raise(1000, 1000 + 4 * kMostEvents);
  Start();
  Until([&] { return !events_.empty(); });
  EXPECT_THAT(events_, SizeIs(kMostEvents));
}

// Without the bound it is as large as the storm.
TEST_F(DriverThreadEventsTest, WithoutTheBoundADeliveryIsAllThereIs) {
  Raise(1000, 1000 + 4 * kMostEvents);
  Start({.most = 1'000'000});
  Until([&] { return !events_.empty(); });
  EXPECT_THAT(events_, SizeIs(4 * kMostEvents + 1));
}

// What is within the bound all comes.
TEST_F(DriverThreadEventsTest, WhatIsWithinTheBoundIsDelivered) {
  Raise(1000, 1000 + kMostEvents - 1);
  Start();
  Until([&] { return !events_.empty(); });
  EXPECT_THAT(events_, SizeIs(kMostEvents));
}

TEST_F(DriverThreadEventsTest, ALoopThatIsBusyIsNotGivenMore) {
  driver_->RaiseXid("GPU-0", 1);
  Start();
  Until([&] { return !events_.empty(); });
  driver_->RaiseXid("GPU-0", 2);
  const int waits = Waits();
  Pass(1s);
  // The second delivery waits for the loop, which has other things to do.
  UntilOutside([&] { return Waits() == waits + 1; });
  for (int i = 0; i < 1000; ++i) {
    driver_->RaiseXid("GPU-0", 3);
    Pass(1s);
    std::this_thread::yield();
  }
  EXPECT_EQ(Waits(), waits + 1);
  Until([&] { return events_.size() >= 3; });
  EXPECT_EQ(events_[1].xid, 2U);
  EXPECT_EQ(events_[2].xid, 3U);
}

// Without waiting for the loop the driver is asked for more, and what it says piles up.
TEST_F(DriverThreadEventsTest, WithoutThatABusyLoopIsGivenMore) {
  Start({.most = 1'000'000, .pause = 0s, .deliveries = 1'000'000});
  const int waits = Waits();
  for (std::uint64_t xid = 1000; xid < 1000 + 4 * kMostEvents; ++xid) {
    driver_->RaiseXid("GPU-0", xid);
    UntilOutside([&] { return Waits() > waits + static_cast<int>(xid - 1000); });
  }
  EXPECT_THAT(events_, SizeIs(0));
  EXPECT_GE(Waits(), waits + static_cast<int>(4 * kMostEvents));
  Until([&] { return events_.size() == 4 * kMostEvents; });
}

TEST_F(DriverThreadEventsTest, BetweenDeliveriesThereIsAPause) {
  driver_->RaiseXid("GPU-0", 1);
  Start();
  Until([&] { return events_.size() == 1; });
  const int waits = Waits();
  driver_->RaiseXid("GPU-0", 2);
  LookAgain();  // the other thread is asked at once
  EXPECT_EQ(Waits(), waits);
  Pass(kEventPause);
  Until([&] { return events_.size() == 2; });
  EXPECT_EQ(Waits(), waits + 1);
}

TEST_F(DriverThreadEventsTest, WithoutThePauseTheDriverIsAskedAgainAtOnce) {
  driver_->RaiseXid("GPU-0", 1);
  Start({.pause = 0s});
  Until([&] { return events_.size() == 1; });
  driver_->RaiseXid("GPU-0", 2);
  Until([&] { return events_.size() == 2; });  // no time has passed
}

TEST_F(DriverThreadEventsTest, AWaitThatWorksAgainIsTold) {
  driver_->Fail("WaitForEvents", {base::Code::kUnavailable, "unknown error"});
  Start();
  Until([&] { return !events_.empty(); });
  EXPECT_EQ(events_[0].kind, HealthEvent::Kind::kWaitFailed);
  driver_->Fail("WaitForEvents", base::Status::Ok());
  driver_->RaiseXid("GPU-0", 48);
  Pass(1s);
  Until([&] { return events_.size() == 3; });
  EXPECT_EQ(events_[1].kind, HealthEvent::Kind::kWaitWorks);
  EXPECT_EQ(events_[2].xid, 48U);
}

TEST_F(DriverThreadEventsTest, AGpuThatFailedToBeWatchedIsTriedAgainAndAnOldOneIsNot) {
  driver_->SetUnwatched({{"GPU-0", {base::Code::kUnavailable, "unknown error"}}});
  Start();
  LookAgain();
  EXPECT_EQ(driver_->Calls("WatchHealth"), 2);
  driver_->SetUnwatched({{"GPU-0", {base::Code::kUnimplemented, "too old"}}});
  LookAgain();
  LookAgain();
  EXPECT_EQ(driver_->Calls("WatchHealth"), 3);
}

}  // namespace
}  // namespace tranche::gpu
