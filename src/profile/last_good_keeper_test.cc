#include "profile/last_good_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/disk/testing/fake_worker.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::profile {
namespace {

using base::Code;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class LastGoodKeeperTest : public ::testing::Test {
 protected:
  void Keep(const std::string& text) {
    keeper_->Keep({.profile = "dev", .source = "/profiles/dev", .text = text});
    loop_.AdvanceBy(LastGoodKeeper::kDelay);
  }
  std::string OnDisk() {
    const auto stored = LoadLastGood(state_);
    return stored.ok() ? stored->text : stored.status().message();
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }

  base::testing::TempDir dir_;
  const std::string state_ = dir_ / "tranche";
  const std::string file_ = state_ + "/last-good.json";
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  std::vector<std::string> events_;
  int changes_ = 0;
  std::unique_ptr<LastGoodKeeper> keeper_ = std::make_unique<LastGoodKeeper>(
      loop_, worker_, state_,
      LastGoodKeeper::Owner{
          .event = [this](
                       daemon::EventType, const std::string& reason,
                       const std::string& message) { events_.push_back(reason + ": " + message); },
          .changed = [this] { ++changes_; }});
};

TEST_F(LastGoodKeeperTest, TheNewestIsOnDiskAndNobodyIsTold) {
  Keep("a");
  EXPECT_EQ(OnDisk(), "a");
  Keep("b");
  EXPECT_EQ(OnDisk(), "b");
  loop_.AdvanceBy(minutes(10));
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_EQ(keeper_->problem(), "");
}

TEST_F(LastGoodKeeperTest, AFileThatIsDeletedIsWrittenAgainAndTold) {
  Keep("a");
  ASSERT_EQ(unlink(file_.c_str()), 0);
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(OnDisk(), "a");
  EXPECT_THAT(TakeEvents(), ElementsAre("LastGoodLost: the file of the last good config is gone "
                                        "and is written again"));
  loop_.AdvanceBy(minutes(10));
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(LastGoodKeeperTest, AFileThatIsDamagedIsWrittenAgainAndTold) {
  Keep("a");
  ASSERT_TRUE(base::WriteFileAtomic(file_, "{\"torn").ok());
  loop_.AdvanceBy(seconds(1));
  EXPECT_EQ(OnDisk(), "a");
  EXPECT_THAT(TakeEvents(), ElementsAre(HasSubstr("is damaged and is written again: ")));
}

TEST_F(LastGoodKeeperTest, TheWholeFolderMayGo) {
  Keep("a");
  ASSERT_EQ(unlink(file_.c_str()), 0);
  ASSERT_EQ(rmdir(state_.c_str()), 0);
  loop_.AdvanceBy(minutes(1));
  EXPECT_EQ(OnDisk(), "a");
}

// Two agents during a handover, of which each has its own.
TEST_F(LastGoodKeeperTest, AnotherAgentsConfigIsLeftAlone) {
  Keep("a");
  ASSERT_TRUE(SaveLastGood(state_, {.profile = "x", .source = "/x", .text = "other"}).ok());
  loop_.AdvanceBy(minutes(10));
  EXPECT_EQ(OnDisk(), "other");
  EXPECT_THAT(events_, IsEmpty());
}

// What each failure says must be the same, or each would be news.
TEST_F(LastGoodKeeperTest, AFailureIsToldOnceStaysAProblemAndIsTriedEverMoreRarely) {
  ASSERT_TRUE(base::MakeDirectories(file_).ok()) << "a folder where the file should be";
  Keep("a");
  EXPECT_THAT(TakeEvents(), ElementsAre(StartsWith("LastGoodNotSaved: ")));
  EXPECT_THAT(keeper_->problem(), HasSubstr(file_));
  EXPECT_EQ(changes_, 1);
  const std::string problem = keeper_->problem();
  loop_.AdvanceBy(minutes(60));
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_EQ(keeper_->problem(), problem);
  EXPECT_EQ(changes_, 1);
  ASSERT_EQ(rmdir(file_.c_str()), 0);
  loop_.AdvanceBy(LastGoodKeeper::kLongestRetry);
  EXPECT_EQ(OnDisk(), "a");
  EXPECT_EQ(keeper_->problem(), "");
  EXPECT_EQ(changes_, 2);
}

TEST_F(LastGoodKeeperTest, ADiskThatHangsHoldsUpNothingAndGetsTheNewestAfterwards) {
  worker_.Hang();
  Keep("a");
  Keep("b");
  Keep("c");
  EXPECT_EQ(worker_.waiting(), 1U) << "one job at a time";
  loop_.AdvanceBy(seconds(20));
  ASSERT_TRUE(worker_.StuckJob());
  EXPECT_EQ(worker_.StuckJob()->what, "saving the last good config");
  worker_.Release();
  loop_.AdvanceBy(milliseconds(1));
  EXPECT_EQ(OnDisk(), "c");
}

TEST_F(LastGoodKeeperTest, AWorkerThatTakesNothingIsAProblem) {
  worker_.refuse = {Code::kResourceExhausted, "no thread for it"};
  Keep("a");
  EXPECT_EQ(keeper_->problem(), "no thread for it");
  worker_.refuse = {};
  loop_.AdvanceBy(LastGoodKeeper::kFirstRetry);
  EXPECT_EQ(OnDisk(), "a");
  EXPECT_EQ(keeper_->problem(), "");
}

TEST_F(LastGoodKeeperTest, WhatIsNotToBeKeptIsNotWritten) {
  Keep("a");
  keeper_->Keep({.profile = "dev", .source = "/profiles/dev", .text = "b"});
  keeper_->Leave();
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(OnDisk(), "a");
  ASSERT_EQ(unlink(file_.c_str()), 0);
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(LoadLastGood(state_).status().code(), Code::kNotFound);
}

TEST_F(LastGoodKeeperTest, AfterTheEndNothingIsWritten) {
  worker_.Hang();
  keeper_->Keep({.profile = "dev", .source = "/profiles/dev", .text = "a"});
  keeper_.reset();
  worker_.Release();
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(LoadLastGood(state_).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace tranche::profile
