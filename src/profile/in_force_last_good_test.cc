#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "base/file.h"
#include "profile/last_good.h"
#include "profile/testing/in_force_fixture.h"

namespace tranche::profile {
namespace {

using base::Code;
using base::Status;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::InForceTest;
using ::testing::IsEmpty;
using testing::kBad;
using testing::Replicas;
using ::testing::StartsWith;

TEST_F(InForceTest, TheLastGoodIsWrittenAfterItIsInForce) {
  Want(Replicas(4));
  config_->NodeChanged();
  EXPECT_EQ(LoadLastGood(state_).status().code(), Code::kNotFound);
  Save();
  const auto stored = LoadLastGood(state_);
  ASSERT_TRUE(stored.ok()) << stored.status().message();
  EXPECT_EQ(stored->profile, "default");
  EXPECT_EQ(stored->source, "/profiles/default");
  EXPECT_EQ(stored->text, Replicas(4));
}

TEST_F(InForceTest, OnlyWhatIsStillInForceIsWritten) {
  Want(Replicas(4));
  config_->NodeChanged();
  Want(Replicas(8));
  config_->Refresh();
  Save();
  EXPECT_EQ(LoadLastGood(state_)->text, Replicas(8));
  Want(kBad);
  config_->Refresh();
  Save();
  EXPECT_EQ(LoadLastGood(state_)->text, Replicas(8));
}

TEST_F(InForceTest, NothingIsWrittenAfterTheEnd) {
  Want(Replicas(4));
  config_->NodeChanged();
  config_.reset();
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(LoadLastGood(state_).status().code(), Code::kNotFound);
}

TEST_F(InForceTest, AStartWithABadConfigUsesTheLastGood) {
  Want(Replicas(4), "prod");
  config_->NodeChanged();
  Save();
  Restart();
  Want(kBad);
  config_->NodeChanged();
  EXPECT_THAT(applied_, ElementsAre(4));
  EXPECT_THAT(sources_, ElementsAre("/profiles/prod"));
  EXPECT_TRUE(state().usable);
  EXPECT_TRUE(state().from_last_good);
  EXPECT_EQ(state().profile, "prod");
  EXPECT_EQ(state().wanted_profile, "default");
  EXPECT_THAT(state().error, HasSubstr("version"));
  EXPECT_THAT(TakeEvents(),
              ElementsAre(StartsWith("Warning ConfigRejected: profile 'default': "),
                          "Warning LastGoodConfig: the last good config, profile 'prod', is in "
                          "force instead"));
  Want(Replicas(2));
  config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4, 2));
  EXPECT_FALSE(state().from_last_good);
  EXPECT_EQ(state().error, "");
}

TEST_F(InForceTest, TheLastGoodWantedAgainIsNoLongerAStandIn) {
  Want(Replicas(4));
  config_->NodeChanged();
  Save();
  Restart();
  Want(kBad);
  config_->NodeChanged();
  Want(Replicas(4));
  config_->Refresh();
  EXPECT_FALSE(state().from_last_good);
  EXPECT_EQ(state().error, "");
}

TEST_F(InForceTest, AStartWithABadConfigAndNoLastGoodServesNothing) {
  Want(kBad);
  config_->NodeChanged();
  EXPECT_THAT(applied_, IsEmpty()) << "never the unshared default";
  EXPECT_FALSE(state().usable);
  EXPECT_THAT(state().error, HasSubstr("version"));
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(applied_, IsEmpty());
  EXPECT_EQ(TakeEvents().size(), 1U);
  Want(Replicas(4));
  config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4));
}

TEST_F(InForceTest, ADamagedLastGoodIsNone) {
  ASSERT_TRUE(base::WriteFileAtomic(base::JoinPath(state_, "last-good.json"), "{\"torn").ok());
  Want(kBad);
  config_->NodeChanged();
  EXPECT_FALSE(state().usable);
}

TEST_F(InForceTest, ALastGoodThatTheNodeRefusesIsNone) {
  Want(Replicas(4));
  config_->NodeChanged();
  Save();
  Restart();
  node_ = Status(Code::kFailedPrecondition, "no");
  Want(kBad);
  config_->NodeChanged();
  EXPECT_FALSE(state().usable);
  node_ = Status::Ok();
  loop_.AdvanceBy(seconds(5));
  EXPECT_THAT(applied_, ElementsAre(4)) << "but tried again";
  EXPECT_TRUE(state().from_last_good);
}

TEST_F(InForceTest, AFullDiskIsToldOnceAndTheLastGoodWrittenLater) {
  ASSERT_TRUE(base::WriteFileAtomic(state_, "a file where the folder should be").ok());
  Want(Replicas(4));
  config_->NodeChanged();
  TakeEvents();
  loop_.AdvanceBy(seconds(300));
  EXPECT_THAT(TakeEvents(), ElementsAre(StartsWith("Warning LastGoodNotSaved: ")));
  EXPECT_NE(state().not_saved, "");
  ASSERT_EQ(unlink(state_.c_str()), 0);
  loop_.AdvanceBy(LastGoodKeeper::kLongestRetry);
  EXPECT_EQ(LoadLastGood(state_)->text, Replicas(4));
  EXPECT_EQ(state().not_saved, "");
}

}  // namespace
}  // namespace tranche::profile
