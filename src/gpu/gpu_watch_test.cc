#include "gpu/gpu_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/testing/watch_fixture.h"

namespace tranche::gpu {
namespace {

using base::Code;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::Gpus;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kFellOffTheBus = 79;

using GpuWatchTest = testing::WatchFixture;

TEST_F(GpuWatchTest, TheFirstScanSaysWhatThereIs) {
  Start();
  ASSERT_THAT(news_, SizeIs(1));
  EXPECT_TRUE(news_[0].first && news_[0].status_changed && news_[0].devices_changed);
  EXPECT_TRUE(watch_->ready());
  EXPECT_EQ(watch_->inventory(), Gpus(2));
  EXPECT_EQ(watch_->Driver().version, "570.172.08");
  EXPECT_EQ(watch_->Driver().cuda_version, "12.8");
  ASSERT_THAT(watch_->Gpus(), SizeIs(2));
  EXPECT_TRUE(watch_->Gpus()[1].healthy);
}

TEST_F(GpuWatchTest, ScansAtItsIntervalAndSaysWhenNothingIsNew) {
  Start();
  loop_.AdvanceBy(seconds(30));
  ASSERT_EQ(Scans(), 4);
  EXPECT_EQ(requested_, 3);
  EXPECT_FALSE(news_[3].first || news_[3].status_changed || news_[3].devices_changed);
  EXPECT_EQ(Restarts(), 0);
}

// Its driver answers, and its files do not.
TEST_F(GpuWatchTest, ADriverRootThatHangsDelaysNoScan) {
  Start();
  worker_.Hang();
  AddNode("nvidia1");
  loop_.AdvanceBy(minutes(5));
  EXPECT_EQ(Scans(), 31);
  EXPECT_LE(worker_.waiting(), 2U);
  EXPECT_EQ(Restarts(), 0);
  worker_.Release();
  loop_.RunPosted();
  EXPECT_EQ(Restarts(), 1) << "the new node is seen once it answers";
}

TEST_F(GpuWatchTest, ADriverRootThatHangsFromTheStartIsTakenForWhatItWillBe) {
  worker_.Hang();
  Start();
  EXPECT_TRUE(watch_->ready());
  EXPECT_EQ(watch_->device_folder(), root_ / "dev");
  worker_.Release();
  AddNode("nvidia1");
  loop_.AdvanceBy(milliseconds(300));
  EXPECT_EQ(Restarts(), 1);
}

TEST_F(GpuWatchTest, WithoutAnIntervalItScansWhenSomethingHappens) {
  Start({.scan = {}, .restart = {}});
  loop_.AdvanceBy(minutes(10));
  EXPECT_EQ(Scans(), 1);
  watch_->RequestScan(ScanMode::kKeepDriver);
  loop_.RunPosted();
  EXPECT_EQ(Scans(), 2);
}

TEST_F(GpuWatchTest, ADriverThatComesLateIsRestartedUntilItIsThere) {
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  Start();
  EXPECT_FALSE(watch_->ready());
  EXPECT_EQ(watch_->status().message(), "no library");
  ASSERT_THAT(news_, SizeIs(1));
  EXPECT_TRUE(news_[0].status_changed);
  loop_.AdvanceBy(seconds(4));
  ASSERT_EQ(Scans(), 3);
  EXPECT_FALSE(news_[2].status_changed);
  EXPECT_EQ(Restarts(), 2);
  driver_->Fail("Initialise", base::Status::Ok());
  loop_.AdvanceBy(seconds(2));
  EXPECT_TRUE(watch_->ready());
  EXPECT_TRUE(news_.back().devices_changed);
}

TEST_F(GpuWatchTest, ANewDeviceNodeRestartsTheDriverUntilItsGpuCanBeListed) {
  Start();
  AddNode("nvidia1");
  loop_.RunPosted();
  EXPECT_EQ(Restarts(), 1);
  driver_->SetInventory(Gpus(3));
  loop_.AdvanceBy(seconds(2));
  EXPECT_EQ(watch_->inventory(), Gpus(3));
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(Restarts(), 4) << "one at once and three more";
}

TEST_F(GpuWatchTest, OtherFilesBesideTheDeviceNodesAreNoNews) {
  Start();
  AddNode("nvidiactl");
  AddNode("nvidia-uvm");
  loop_.RunPosted();
  EXPECT_EQ(Scans(), 1);
}

TEST_F(GpuWatchTest, ALostGpuIsFoundAgainByTheRestartThatFollowsAtOnce) {
  Start();
  driver_->Lose("GPU-1");
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 ill", "GPU-1 well"));
  EXPECT_EQ(Restarts(), 1);
}

TEST_F(GpuWatchTest, AGpuThatIsNoLongerListedStaysForAWhileAndIsIll) {
  Start();
  driver_->SetInventory(Gpus(1));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 ill"));
  EXPECT_THAT(watch_->inventory().gpus, SizeIs(2));
  EXPECT_THAT(watch_->listed().gpus, SizeIs(1));
  EXPECT_TRUE(watch_->Gpus()[1].lost);
  const int restarts = Restarts();
  loop_.AdvanceBy(seconds(20));
  EXPECT_EQ(Restarts(), restarts + 2) << "each scan looks for it";
  loop_.AdvanceBy(kMissingGrace);
  EXPECT_THAT(watch_->inventory().gpus, SizeIs(1));
}

TEST_F(GpuWatchTest, AGpuThatIsListedAgainIsWell) {
  Start();
  driver_->SetInventory(Gpus(1));
  loop_.AdvanceBy(seconds(10));
  driver_->SetInventory(Gpus(2));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-1 ill", "GPU-1 well"));
  EXPECT_TRUE(watch_->Healthy("GPU-1"));
}

TEST_F(GpuWatchTest, AFaultMakesAGpuIllUntilTheQuietPeriodIsOver) {
  Start();
  thread_->RaiseXid("GPU-0", 94);
  EXPECT_THAT(Health(), ElementsAre("GPU-0 ill"));
  ASSERT_TRUE(watch_->Gpus()[0].healthy_in_seconds.has_value());
  EXPECT_DOUBLE_EQ(*watch_->Gpus()[0].healthy_in_seconds, 60);
  loop_.AdvanceBy(seconds(61));
  EXPECT_THAT(Health(), ElementsAre("GPU-0 well"));
}

TEST_F(GpuWatchTest, FaultsAreClearedByCommandButNotALoss) {
  Start();
  thread_->RaiseXid("GPU-0", kFellOffTheBus);
  driver_->SetInventory(Gpus(1));
  loop_.AdvanceBy(seconds(10));
  EXPECT_THAT(Health(), ElementsAre("GPU-0 ill", "GPU-1 ill"));
  watch_->ClearFaults();
  EXPECT_THAT(Health(), ElementsAre("GPU-0 well"));
}

TEST_F(GpuWatchTest, TheDriverIsRestartedAtItsIntervalWhereThatIsAsked) {
  Start({.scan = seconds(10), .restart = seconds(30)});
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(Restarts(), 2);
}

TEST_F(GpuWatchTest, NothingIsTakenForIllBeforeAnythingIsKnown) {
  driver_->Fail("Initialise", {Code::kNotFound, "no library"});
  Start();
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_THAT(Health(), IsEmpty());
  EXPECT_THAT(watch_->Gpus(), IsEmpty());
}

}  // namespace
}  // namespace tranche::gpu
