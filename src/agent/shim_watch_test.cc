#include "agent/shim_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "cdi/shim.h"

namespace tranche::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShimWatchTest : public ::testing::Test {
 protected:
  // `when`: on the clock of files.
  void Publish(std::time_t when) {
    const auto spec = cdi::ShimSpec({.files = "/f", .walls = "/w"});
    ASSERT_TRUE(cdi::WriteCdiSpec(dir_ / "cdi", spec.name, spec.spec).ok());
    const timespec times[2] = {{.tv_sec = when, .tv_nsec = 0}, {.tv_sec = when, .tv_nsec = 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, (dir_ / ("cdi/" + spec.name)).c_str(), times, 0), 0);
  }

  base::testing::TempDir dir_;
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  std::time_t now_ = 1'000'000;  // the clock of files
  int changes_ = 0;
  std::vector<std::string> events_;
  ShimWatch watch_{
      loop_,
      worker_,
      {.directories = {dir_ / "etc", dir_ / "cdi"},
       .age = [this](std::int64_t at) -> base::Duration {
         return seconds(now_) - std::chrono::nanoseconds(at);
       }},
      {.changed = [this] { ++changes_; },
       .event =
           [this](daemon::EventType type, daemon::Reason reason, const std::string& message) {
             events_.push_back(std::string(daemon::TypeName(type)) + " " + std::string(reason) +
                               " " + message);
           }}};
};

TEST_F(ShimWatchTest, NothingIsLookedAtBeforeWallsAreAskedFor) {
  Publish(now_);
  loop_.AdvanceBy(minutes(1));
  EXPECT_EQ(watch_.name(), "");
  EXPECT_EQ(changes_, 0);
  watch_.SetAskedFor(true);
  EXPECT_EQ(watch_.name(), "tranche.dev/shim=pod") << "at once";
  watch_.SetAskedFor(false);
  EXPECT_EQ(watch_.name(), "");
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(ShimWatchTest, WhatIsPublishedIsSeenByTheNextAnswer) {
  watch_.SetAskedFor(true);
  EXPECT_EQ(watch_.name(), "");
  EXPECT_THAT(watch_.why(), HasSubstr(dir_ / "cdi"));
  Publish(now_);
  watch_.Look();
  EXPECT_EQ(watch_.name(), "tranche.dev/shim=pod");
  EXPECT_EQ(watch_.why(), "");
  std::filesystem::remove_all(dir_ / "cdi");
  loop_.AdvanceBy(ShimWatch::kLook);
  EXPECT_EQ(watch_.name(), "") << "also without an answer";
}

TEST_F(ShimWatchTest, WhoPublishesItHasToSayNowAndThenThatItIsThere) {
  Publish(now_);
  watch_.SetAskedFor(true);
  loop_.AdvanceBy(cdi::kShimStays - seconds(1));
  EXPECT_NE(watch_.name(), "");
  now_ += 599;
  Publish(now_);
  loop_.AdvanceBy(ShimWatch::kLook);
  loop_.AdvanceBy(cdi::kShimStays - 2 * ShimWatch::kLook);
  EXPECT_NE(watch_.name(), "") << "it was confirmed";
  loop_.AdvanceBy(2 * ShimWatch::kLook);
  EXPECT_EQ(watch_.name(), "");
  EXPECT_THAT(watch_.why(), HasSubstr("10 minutes"));
}

TEST_F(ShimWatchTest, AnOldFileIsNothingPublished) {
  Publish(now_ - 601);
  watch_.SetAskedFor(true);
  EXPECT_EQ(watch_.name(), "");
  Publish(now_ - 590);
  watch_.Look();
  EXPECT_NE(watch_.name(), "");
  loop_.AdvanceBy(seconds(15));
  EXPECT_EQ(watch_.name(), "") << "its age counts from the beginning";
}

// The clock of files may be put back or forward while the watch runs.
TEST_F(ShimWatchTest, AClockThatJumpsChangesNothing) {
  Publish(now_);
  watch_.SetAskedFor(true);
  now_ += 86'400;
  loop_.AdvanceBy(minutes(1));
  EXPECT_NE(watch_.name(), "");
  now_ -= 2 * 86'400;
  loop_.AdvanceBy(minutes(1));
  EXPECT_NE(watch_.name(), "");
}

TEST_F(ShimWatchTest, ItIsSaidOnceThatNothingIsPublishedAndOnceThatItIs) {
  watch_.SetAskedFor(true);
  loop_.AdvanceBy(ShimWatch::kPatience - seconds(1));
  EXPECT_THAT(events_, IsEmpty()) << "both programs of a node start together";
  loop_.AdvanceBy(minutes(5));
  EXPECT_THAT(events_, ElementsAre(HasSubstr("Warning WallsNotInstalled")));
  Publish(now_);
  loop_.AdvanceBy(minutes(5));
  EXPECT_THAT(events_, ElementsAre(HasSubstr("Warning"), HasSubstr("Normal WallsNotInstalled")));
}

TEST_F(ShimWatchTest, AContainerThatIsGivenADeviceWithoutItsWallIsSaidAtOnce) {
  watch_.SetAskedFor(true);
  watch_.GivenWithout("GPU-1");
  watch_.GivenWithout("GPU-2");
  EXPECT_THAT(events_, ElementsAre(HasSubstr("Warning WallsNotInstalled")));
}

TEST_F(ShimWatchTest, AFolderThatHangsLeavesWhatIsKnown) {
  Publish(now_);
  watch_.SetAskedFor(true);
  worker_.Hang();
  std::filesystem::remove_all(dir_ / "cdi");
  loop_.AdvanceBy(minutes(1));
  EXPECT_NE(watch_.name(), "");
  worker_.Release();
  EXPECT_EQ(watch_.name(), "");
}

}  // namespace
}  // namespace tranche::agent
