// Calls to the driver that fail: when they begin to mean something, and what they then mean.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/testing/watch_fixture.h"

namespace tranche::gpu {
namespace {

using base::Code;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::Failing;
using testing::Gpus;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using GpuWatchFailuresTest = testing::WatchFixture;

const base::Status kUnknown{Code::kUnavailable, "nvmlDeviceGetCount: unknown error (999)"};

TEST_F(GpuWatchFailuresTest, OneFailedScanChangesNothing) {
  Start();
  driver_->Fail("Enumerate", kUnknown);
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(Scans(), 2);
  driver_->Fail("Enumerate", base::Status::Ok());
  loop_.AdvanceBy(seconds(20));
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_TRUE(watch_->ready());
  EXPECT_EQ(Restarts(), 0);
  for (std::size_t i = 1; i < news_.size(); ++i) {
    EXPECT_FALSE(news_[i].status_changed || news_[i].devices_changed);
  }
}

TEST_F(GpuWatchFailuresTest, WhatARestartMendsIsMendedBeforeItCounts) {
  Start();
  driver_->Fail("Enumerate", kUnknown);
  loop_.AdvanceBy(seconds(12));
  EXPECT_EQ(Scans(), 3) << "the second that fails";
  EXPECT_EQ(Restarts(), 0) << "one failure is no reason";
  driver_->FailUntilShutdown("Enumerate");
  loop_.AdvanceBy(seconds(2));
  EXPECT_EQ(Restarts(), 1);
  loop_.AdvanceBy(minutes(1));
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_TRUE(watch_->ready());
  EXPECT_EQ(Restarts(), 1);
}

TEST_F(GpuWatchFailuresTest, AfterSeveralOverSomeSecondsTheGpusAreIll) {
  Start();
  driver_->Fail("Enumerate", kUnknown);
  loop_.AdvanceBy(seconds(14));
  EXPECT_TRUE(watch_->ready()) << "three failures, in four seconds";
  EXPECT_THAT(Health(), IsEmpty());
  loop_.AdvanceBy(seconds(2));
  EXPECT_FALSE(watch_->ready());
  EXPECT_THAT(Health(), ElementsAre("GPU-0 ill", "GPU-1 ill"));
  EXPECT_EQ(watch_->inventory(), Gpus(2)) << "what is known stays";
  EXPECT_EQ(watch_->Driver().error, kUnknown.message());
  EXPECT_FALSE(watch_->Gpus()[0].lost);
  EXPECT_THAT(watch_->Gpus()[0].reason, HasSubstr("unknown error"));
}

TEST_F(GpuWatchFailuresTest, TheyAreWellAtTheFirstAnswerHoweverOften) {
  Start();
  for (int outage = 0; outage < 4; ++outage) {
    driver_->Fail("Enumerate", kUnknown);
    loop_.AdvanceBy(seconds(20));
    EXPECT_THAT(Health(), ElementsAre("GPU-0 ill", "GPU-1 ill"));
    driver_->Fail("Enumerate", base::Status::Ok());
    loop_.AdvanceBy(seconds(2));
    EXPECT_THAT(Health(), ElementsAre("GPU-0 well", "GPU-1 well")) << outage;
  }
  thread_->RaiseXid("GPU-0", 94);
  EXPECT_DOUBLE_EQ(*watch_->Gpus()[0].healthy_in_seconds, 60) << "no outage was counted";
}

TEST_F(GpuWatchFailuresTest, AnInitialisationThatFailsOnceChangesNothing) {
  Start();
  driver_->Fail("Initialise", {Code::kUnavailable, "nvmlInit: unknown error (999)"});
  watch_->RequestScan(ScanMode::kRestartDriver);
  loop_.RunPosted();
  driver_->Fail("Initialise", base::Status::Ok());
  loop_.AdvanceBy(seconds(2));
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_TRUE(watch_->ready());
}

TEST_F(GpuWatchFailuresTest, ADriverLoadedAnewHasResetItsGpusAndAnOutageHasNot) {
  Start();
  thread_->RaiseXid("GPU-0", 48);
  EXPECT_THAT(Health(), ElementsAre("GPU-0 ill"));
  driver_->Fail("Enumerate", kUnknown);
  loop_.AdvanceBy(seconds(20));
  driver_->Fail("Enumerate", base::Status::Ok());
  loop_.AdvanceBy(seconds(10));
  EXPECT_FALSE(watch_->Healthy("GPU-0")) << "still as it was";
  Health();
  driver_->Fail("Initialise", {Code::kDataLoss, "nvmlInit: driver not loaded (9)"});
  watch_->RequestScan(ScanMode::kRestartDriver);
  loop_.AdvanceBy(seconds(20));
  driver_->Fail("Initialise", base::Status::Ok());
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 ill", "GPU-1 well", "GPU-0 well"));
}

// nvmlDeviceGetCount says that a GPU is lost. That is no word about the driver.
TEST_F(GpuWatchFailuresTest, ALostGpuOfWhichAScanFailsIsNoDriverLoadedAnew) {
  Start();
  thread_->RaiseXid("GPU-0", 48);
  EXPECT_THAT(Health(), ElementsAre("GPU-0 ill"));
  driver_->Fail("Enumerate", {Code::kDataLoss, "nvmlDeviceGetCount: GPU is lost (15)"});
  loop_.AdvanceBy(seconds(20));
  driver_->Fail("Enumerate", base::Status::Ok());
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 ill", "GPU-1 well"));
  EXPECT_FALSE(watch_->Healthy("GPU-0")) << "XID 48 needs a reset";
}

TEST_F(GpuWatchFailuresTest, AGpuAboutWhichACallFailsStaysAsItWas) {
  Start();
  driver_->SetInventory(Failing(Gpus(2), 1));
  loop_.AdvanceBy(seconds(10));
  driver_->SetInventory(Gpus(2));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), IsEmpty());
  for (std::size_t i = 1; i < news_.size(); ++i) EXPECT_FALSE(news_[i].devices_changed);
}

TEST_F(GpuWatchFailuresTest, ItIsIllAfterSeveralAndWellAtTheFirstAnswer) {
  Start();
  for (int outage = 0; outage < 3; ++outage) {
    driver_->SetInventory(Failing(Gpus(2), 1));
    loop_.AdvanceBy(seconds(20));
    EXPECT_THAT(Health(), ElementsAre("GPU-1 ill"));
    EXPECT_THAT(watch_->listed().gpus, SizeIs(2)) << "it has not gone";
    EXPECT_FALSE(watch_->Gpus()[1].lost);
    driver_->SetInventory(Gpus(2));
    loop_.AdvanceBy(seconds(10));
    EXPECT_THAT(Health(), ElementsAre("GPU-1 well"));
  }
}

// The control: the driver's own word counts at once.
TEST_F(GpuWatchFailuresTest, AGpuThatTheDriverCallsLostIsIllAtOnce) {
  Start();
  driver_->SetInventory(Failing(Gpus(2), 1, /*call_failed=*/false));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 ill"));
  EXPECT_TRUE(watch_->Gpus()[1].lost);
}

TEST_F(GpuWatchFailuresTest, ALostGpuThatCannotBeAskedIsNotBack) {
  Start();
  driver_->SetInventory(Failing(Gpus(2), 1, /*call_failed=*/false));
  loop_.AdvanceBy(seconds(10));
  Health();
  driver_->SetInventory(Failing(Gpus(2), 1));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_TRUE(watch_->Gpus()[1].lost);
  driver_->SetInventory(Gpus(2));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 well"));
}

TEST_F(GpuWatchFailuresTest, AMigDeviceAboutWhichACallFailsStaysAsItWas) {
  Inventory whole = Gpus(1);
  testing::Cut(whole, 0, {"1g.10gb", "1g.10gb"});
  driver_->SetInventory(whole);
  Start();
  Inventory seen = whole;
  seen.gpus[0].mig_devices.pop_back();
  seen.broken.push_back(
      {.index = 0, .mig = 1, .uuid = "", .error = "unknown error (999)", .call_failed = true});
  driver_->SetInventory(seen);
  loop_.AdvanceBy(seconds(12));
  EXPECT_EQ(watch_->inventory(), whole);
  EXPECT_THAT(Health(), IsEmpty());
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("MIG-0-1 ill"));
  driver_->SetInventory(whole);
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("MIG-0-1 well"));
}

TEST_F(GpuWatchFailuresTest, WhatWasReadOnceStaysKnownWhileItCannotBeRead) {
  Inventory cut = Gpus(1);
  testing::Cut(cut, 0, {"1g.10gb"});
  cut.gpus[0].compute_major = 8;
  driver_->SetInventory(cut);
  Start();
  Inventory less = Gpus(1);
  less.gpus[0].name = less.driver_version = "";
  less.gpus[0].memory_bytes = less.cuda_major = 0;
  for (const Detail detail : {Detail::kName, Detail::kPci, Detail::kMemory, Detail::kCompute,
                              Detail::kFabric, Detail::kMig}) {
    less.unread.push_back({.detail = detail, .uuid = "GPU-0", .error = "no permission"});
  }
  for (const Detail detail : {Detail::kDriverVersion, Detail::kCudaVersion}) {
    less.unread.push_back({.detail = detail, .uuid = "", .error = "no permission"});
  }
  driver_->SetInventory(less);
  loop_.AdvanceBy(minutes(20));
  EXPECT_EQ(watch_->inventory().gpus, cut.gpus);
  EXPECT_EQ(watch_->inventory().driver_version, cut.driver_version);
  EXPECT_EQ(watch_->inventory().cuda_major, cut.cuda_major);
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_THAT(watch_->Gpus()[0].warnings, SizeIs(6));
  EXPECT_THAT(watch_->Driver().warnings, SizeIs(2));
}

TEST_F(GpuWatchFailuresTest, AGpuThatCannotBeWatchedIsServedAndSaidToBeUnwatched) {
  driver_->SetUnwatched({{"GPU-0", {Code::kUnavailable, "nvmlDeviceRegisterEvents: unknown error"}},
                         {"GPU-1", {Code::kUnimplemented, "this GPU reports no XID events"}}});
  Start();
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_THAT(watch_->Gpus()[0].warnings, ElementsAre(HasSubstr("nvmlDeviceRegisterEvents")));
  EXPECT_THAT(watch_->Gpus()[1].warnings, IsEmpty()) << "nothing is wrong with an old GPU";
}

TEST_F(GpuWatchFailuresTest, AWaitForEventsThatFailsIsShownUntilOneWorks) {
  Start();
  HealthEvent event;
  event.kind = HealthEvent::Kind::kWaitFailed;
  event.error = "nvmlEventSetWait: unknown error (999)";
  thread_->Raise(event);
  loop_.RunPosted();
  EXPECT_EQ(Scans(), 2) << "the GPUs are asked";
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_THAT(watch_->Driver().warnings, ElementsAre(HasSubstr("nvmlEventSetWait")));
  event = {};
  event.kind = HealthEvent::Kind::kWaitWorks;
  thread_->Raise(event);
  EXPECT_THAT(watch_->Driver().warnings, IsEmpty());
}

TEST_F(GpuWatchFailuresTest, ADriverWithoutAUsableGpuSaysSo) {
  driver_->SetInventory({});
  Start();
  EXPECT_TRUE(watch_->ready());
  EXPECT_THAT(watch_->Driver().error, HasSubstr("no GPU"));
  driver_->SetInventory(Failing(Gpus(1), 0));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(watch_->Driver().error, HasSubstr("none of its GPUs"));
  EXPECT_THAT(watch_->Gpus()[0].error, HasSubstr("nvmlDeviceGetHandleByIndex"));
  driver_->SetInventory(Gpus(1));
  loop_.AdvanceBy(seconds(10));
  EXPECT_EQ(watch_->Driver().error, "");
}

TEST_F(GpuWatchFailuresTest, ACallThatHangsAtTheStartIsLookedAfter) {
  hangs_at_start_ = "Initialise";
  Start();
  loop_.AdvanceBy(seconds(30));
  EXPECT_FALSE(watch_->known());
  EXPECT_EQ(requested_, 15) << "its owner is called although no scan comes back";
  EXPECT_EQ(watch_->Driver().stuck_call, "Initialise");
  EXPECT_DOUBLE_EQ(watch_->Driver().stuck_seconds, 30);
  thread_->Hang("");
  loop_.RunPosted();
  EXPECT_TRUE(watch_->ready());
  EXPECT_EQ(watch_->Driver().stuck_call, "");
}

// A restart is made for such a device, and ever more rarely: it costs the others their events.
TEST_F(GpuWatchFailuresTest, AGpuThatCannotBeToldOfIsFoundOnceItCan) {
  Inventory inventory = Gpus(1);
  inventory.broken.push_back({.index = 1, .error = "nvmlDeviceGetUUID: unknown error (999)"});
  driver_->SetInventory(inventory);
  Start();
  loop_.AdvanceBy(minutes(20));
  EXPECT_GE(Restarts(), 6);
  EXPECT_LE(Restarts(), 10) << "of 120 scans";
  driver_->SetInventory(Gpus(2));
  loop_.AdvanceBy(minutes(1));
  const int restarts = Restarts();
  EXPECT_THAT(watch_->inventory().gpus, SizeIs(2));
  loop_.AdvanceBy(minutes(20));
  EXPECT_EQ(Restarts(), restarts) << "and then no more";
}

}  // namespace
}  // namespace tranche::gpu
