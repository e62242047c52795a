#include "gpu/driver_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "base/testing/fake_loop.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::gpu {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::FakeDriver;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DriverThreadTest : public ::testing::Test {
 protected:
  void Start() {
    thread_ = DriverThread::Start(
        loop_, driver_,
        {.scanned = [this](const Scan& scan) { scans_.push_back(scan); },
         .health_event = [this](const HealthEvent& event) { events_.push_back(event); },
         .topology =
             [this](const base::Result<Topology>& topology) {
               topologies_.push_back(topology.ok() ? topology->uuids.size() : 0);
             }},
        [clock = clock_] { return clock->load(); });
  }
  // The driver's threads are real: gives them time until `done`.
  void Until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit);
      loop_.RunPosted();
      std::this_thread::yield();
    }
  }
  void ScanAndWait(ScanMode mode = ScanMode::kKeepDriver) {
    const std::size_t before = scans_.size();
    thread_->RequestScan(mode);
    Until([&] { return scans_.size() > before; });
  }
  ~DriverThreadTest() override {
    thread_.reset();
    for (const char* call : {"Initialise", "Enumerate", "Probe", "WaitForEvents", "Shutdown"}) {
      driver_->Release(call);
    }
  }

  base::testing::FakeLoop loop_;
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>(FakeDriver::Gpus(2));
  // Shared: a thread whose call hangs outlives the fixture.
  using Time = std::chrono::steady_clock::time_point;
  std::shared_ptr<std::atomic<Time>> clock_ = std::make_shared<std::atomic<Time>>(Time(1h));
  std::vector<Scan> scans_;
  std::vector<HealthEvent> events_;
  std::vector<std::size_t> topologies_;
  std::unique_ptr<DriverThread> thread_;
};

TEST_F(DriverThreadTest, NothingHappensUnasked) {
  Start();
  EXPECT_EQ(driver_->Calls("Initialise"), 0);
}

TEST_F(DriverThreadTest, AScanBringsTheInventory) {
  Start();
  ScanAndWait();
  EXPECT_TRUE(scans_[0].status.ok());
  EXPECT_THAT(scans_[0].inventory.gpus, SizeIs(2));
  EXPECT_THAT(scans_[0].lost, IsEmpty());
  EXPECT_THAT(driver_->Watched(), ElementsAre("GPU-0", "GPU-1"));
  EXPECT_EQ(driver_->Calls("Probe"), 0);  // they have just answered
}

TEST_F(DriverThreadTest, ADriverThatIsNotThereIsSaid) {
  driver_->Fail("Initialise", {base::Code::kNotFound, "no library"});
  Start();
  ScanAndWait();
  EXPECT_EQ(scans_[0].status.code(), base::Code::kNotFound);
  EXPECT_THAT(scans_[0].inventory.gpus, IsEmpty());
  driver_->Fail("Initialise", base::Status::Ok());
  ScanAndWait();
  EXPECT_TRUE(scans_[1].status.ok());
  EXPECT_EQ(driver_->Calls("Probe"), 0);
}

TEST_F(DriverThreadTest, AFailedEnumerationIsSaid) {
  driver_->Fail("Enumerate", {base::Code::kUnavailable, "not now"});
  Start();
  ScanAndWait();
  EXPECT_EQ(scans_[0].status.message(), "not now");
}

TEST_F(DriverThreadTest, ALostGpuIsFoundByAProbe) {
  Start();
  ScanAndWait();
  driver_->Lose("GPU-1");
  ScanAndWait();
  EXPECT_THAT(scans_[1].lost, ElementsAre("GPU-1"));
  EXPECT_THAT(scans_[1].inventory.gpus, SizeIs(2));
  EXPECT_THAT(driver_->Watched(), ElementsAre("GPU-0"));
  driver_->Return("GPU-1");
  ScanAndWait();
  EXPECT_THAT(scans_[2].lost, IsEmpty());
  EXPECT_THAT(driver_->Watched(), ElementsAre("GPU-0", "GPU-1"));
}

TEST_F(DriverThreadTest, WatchingIsNotRepeatedForTheSameGpus) {
  Start();
  ScanAndWait();
  ScanAndWait();
  EXPECT_EQ(driver_->Calls("WatchHealth"), 1);
}

TEST_F(DriverThreadTest, WhatCannotBeWatchedIsInEveryScan) {
  driver_->SetUnwatched({{"GPU-1", {base::Code::kUnimplemented, "too old"}}});
  Start();
  ScanAndWait();
  ScanAndWait();
  for (const Scan& scan : scans_) {
    ASSERT_THAT(scan.unwatched, SizeIs(1));
    EXPECT_EQ(scan.unwatched[0].uuid, "GPU-1");
  }
}

TEST_F(DriverThreadTest, WithoutEventsAllAreUnwatchedAndNothingWaits) {
  driver_->Fail("WatchHealth", {base::Code::kUnimplemented, "no event sets"});
  Start();
  ScanAndWait();
  EXPECT_THAT(scans_[0].unwatched, SizeIs(2));
  ScanAndWait();
  EXPECT_EQ(driver_->Calls("WaitForEvents"), 0);
}

TEST_F(DriverThreadTest, EventsArrive) {
  Start();
  ScanAndWait();
  driver_->RaiseXid("GPU-1", 48);
  Until([&] { return !events_.empty(); });
  EXPECT_EQ(events_[0].uuid, "GPU-1");
  EXPECT_EQ(events_[0].xid, 48U);
}

TEST_F(DriverThreadTest, AFailingWaitIsToldOnceAndThenBackedOff) {
  driver_->Fail("WaitForEvents", {base::Code::kDataLoss, "GPU is lost"});
  Start();
  ScanAndWait();
  Until([&] { return !events_.empty(); });
  EXPECT_EQ(events_[0].kind, HealthEvent::Kind::kWaitFailed);
  EXPECT_EQ(events_[0].error, "GPU is lost");
  EXPECT_EQ(driver_->Calls("WaitForEvents"), 1);
  // A second has to pass on the clock before it is tried again.
  ScanAndWait();
  EXPECT_EQ(driver_->Calls("WaitForEvents"), 1);
  *clock_ = clock_->load() + 1s;
  Until([&] { return events_.size() == 2; });
}

TEST_F(DriverThreadTest, AfreshShutsTheDriverDownFirst) {
  Start();
  ScanAndWait();
  ScanAndWait(ScanMode::kRestartDriver);
  EXPECT_EQ(driver_->Calls("Shutdown"), 1);
  EXPECT_EQ(driver_->Calls("WatchHealth"), 2);
  EXPECT_EQ(driver_->Calls("Probe"), 0);
  driver_->RaiseXid("GPU-0", 94);
  Until([&] { return !events_.empty(); });
}

TEST_F(DriverThreadTest, AfreshGoesWithoutWhereTheWaitHangs) {
  driver_->Hang("WaitForEvents");
  Start();
  ScanAndWait();
  Until([&] { return driver_->Calls("WaitForEvents") == 1; });
  thread_->RequestScan(ScanMode::kRestartDriver);
  Until([&] {
    *clock_ = clock_->load() + 100ms;  // its patience
    return scans_.size() == 2;
  });
  EXPECT_EQ(driver_->Calls("Shutdown"), 0);
  EXPECT_TRUE(scans_[1].status.ok());
}

TEST_F(DriverThreadTest, RequestsMadeMeanwhileAreOne) {
  driver_->Hang("Enumerate");
  Start();
  thread_->RequestScan(ScanMode::kKeepDriver);
  Until([&] { return driver_->Calls("Enumerate") == 1; });
  for (int i = 0; i < 10; ++i) thread_->RequestScan(ScanMode::kKeepDriver);
  driver_->Release("Enumerate");
  Until([&] { return scans_.size() == 2; });
  ScanAndWait();
  EXPECT_EQ(driver_->Calls("Enumerate"), 3);
}

TEST_F(DriverThreadTest, TopologyIsToldWhereThereAreGpusToConnect) {
  driver_->SetTopology({.uuids = {"GPU-0", "GPU-1"}, .pair_score = {{0, 50}, {50, 0}}});
  Start();
  ScanAndWait();
  Until([&] { return !topologies_.empty(); });
  EXPECT_THAT(topologies_, ElementsAre(2U));
  ScanAndWait();
  ScanAndWait();
  EXPECT_EQ(driver_->Calls("ReadTopology"), 1);  // the same GPUs
  driver_->SetInventory(FakeDriver::Gpus(3));
  ScanAndWait();
  Until([&] { return topologies_.size() == 2; });
}

TEST_F(DriverThreadTest, OneGpuHasNoTopology) {
  driver_->SetInventory(FakeDriver::Gpus(1));
  Start();
  ScanAndWait();
  ScanAndWait();
  EXPECT_EQ(driver_->Calls("ReadTopology"), 0);
}

TEST_F(DriverThreadTest, AHangingCallIsReportedWithItsAge) {
  driver_->Hang("Enumerate");
  Start();
  thread_->RequestScan(ScanMode::kKeepDriver);
  Until([&] { return driver_->Calls("Enumerate") == 1; });
  EXPECT_FALSE(thread_->StuckCall());
  *clock_ = clock_->load() + 5s;
  const auto stuck = thread_->StuckCall();
  ASSERT_TRUE(stuck);
  EXPECT_EQ(stuck->call, "Enumerate");
  EXPECT_EQ(stuck->age, 5s);
  driver_->Release("Enumerate");
  Until([&] { return scans_.size() == 1; });
  Until([&] { return !thread_->StuckCall(); });
}

TEST_F(DriverThreadTest, AWaitIsStuckOnlyBeyondItsTimeout) {
  driver_->Hang("WaitForEvents");
  Start();
  ScanAndWait();
  Until([&] { return driver_->Calls("WaitForEvents") == 1; });
  *clock_ = clock_->load() + 1400ms;
  EXPECT_FALSE(thread_->StuckCall());
  *clock_ = clock_->load() + 200ms;
  ASSERT_TRUE(thread_->StuckCall());
  EXPECT_EQ(thread_->StuckCall()->call, "WaitForEvents");
}

TEST_F(DriverThreadTest, DestructionDoesNotWaitAndNothingIsToldAfterwards) {
  driver_->Hang("Enumerate");
  Start();
  thread_->RequestScan(ScanMode::kKeepDriver);
  Until([&] { return driver_->Calls("Enumerate") == 1; });
  thread_.reset();
  driver_->Release("Enumerate");
  // Its threads let go of the driver when they are done.
  Until([&] { return driver_.use_count() == 1; });
  loop_.RunPosted();
  EXPECT_THAT(scans_, IsEmpty());
}

TEST_F(DriverThreadTest, WhatWasPostedBeforeIsNotToldAfterEither) {
  Start();
  thread_->RequestScan(ScanMode::kKeepDriver);
  while (driver_->Calls("WatchHealth") == 0) std::this_thread::yield();
  while (driver_->Calls("ReadTopology") == 0) std::this_thread::yield();  // the scan is posted
  thread_.reset();
  loop_.RunPosted();
  EXPECT_THAT(scans_, IsEmpty());
}

}  // namespace
}  // namespace tranche::gpu
