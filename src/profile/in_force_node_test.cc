#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "profile/testing/in_force_fixture.h"

namespace tranche::profile {
namespace {

using base::Code;
using base::Status;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::InForceTest;
using ::testing::IsEmpty;
using testing::kBad;
using testing::Replicas;
using ::testing::StartsWith;

// ---- the node refuses ----

TEST_F(InForceTest, WhatTheNodeRefusesIsTriedAgain) {
  Want(Replicas(4));
  node_ = Status(Code::kResourceExhausted, "no space left on device");
  config_->NodeChanged();
  EXPECT_FALSE(state().usable);
  loop_.AdvanceBy(seconds(4));
  node_ = Status::Ok();
  EXPECT_THAT(applied_, IsEmpty());
  loop_.AdvanceBy(seconds(1));
  EXPECT_THAT(applied_, ElementsAre(4));
  EXPECT_EQ(state().error, "");
  const int reads = source_->reads;
  loop_.AdvanceBy(seconds(60));
  EXPECT_EQ(source_->reads, reads) << "and then no more";
}

TEST_F(InForceTest, RetriesDoNotPileUp) {
  Want(kBad);
  for (int i = 0; i < 100; ++i) config_->Refresh();
  EXPECT_EQ(loop_.timer_count(), 1U);
}

// A node that takes back its consent (a MIG layout the config does not allow) is no restored
// config, however often the directory changes.
TEST_F(InForceTest, ANodeThatRefusesWhatIsInForceIsNotForgotten) {
  Want(Replicas(4));
  config_->NodeChanged();
  TakeEvents();
  node_ = Status(Code::kFailedPrecondition, "more than one MIG device type present on node");
  config_->NodeChanged();
  config_->Refresh();
  config_->Refresh();
  EXPECT_EQ(state().error, "more than one MIG device type present on node");
  EXPECT_TRUE(state().usable);
  EXPECT_THAT(TakeEvents(), ElementsAre(HasSubstr("ConfigRejected")));
  node_ = Status::Ok();
  loop_.AdvanceBy(seconds(5));
  EXPECT_THAT(applied_, ElementsAre(4, 4));
  EXPECT_EQ(state().error, "");
  EXPECT_THAT(TakeEvents(), ElementsAre(StartsWith("Normal ConfigRestored: ")));
}

// ---- a bad config while the node changes ----

TEST_F(InForceTest, WhatIsInForceFollowsTheNodeWhileABadConfigWaits) {
  Want(Replicas(4));
  config_->NodeChanged();
  Want(kBad);
  config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4));
  config_->NodeChanged();  // a GPU was plugged in
  EXPECT_THAT(applied_, ElementsAre(4, 4));
  EXPECT_EQ(sources_.back(), "/profiles/default");
  EXPECT_THAT(state().error, HasSubstr("version")) << "the bad one is still bad";
  EXPECT_FALSE(state().from_last_good);
  loop_.AdvanceBy(seconds(60));
  EXPECT_THAT(applied_, ElementsAre(4, 4)) << "once for each change of the node";
}

TEST_F(InForceTest, TheLastGoodFollowsADriverThatComesLate) {
  Want(Replicas(4));
  config_->NodeChanged();
  Save();
  Restart();
  Want(kBad);
  config_->NodeChanged();  // no driver yet: the last good one on an empty node
  EXPECT_THAT(applied_, ElementsAre(4));
  config_->NodeChanged();  // the driver is there
  EXPECT_THAT(applied_, ElementsAre(4, 4));
  EXPECT_TRUE(state().from_last_good);
  EXPECT_THAT(state().error, HasSubstr("version"));
}

TEST_F(InForceTest, WhatCannotFollowIsToldOnceAndTriedAgain) {
  Want(Replicas(4));
  config_->NodeChanged();
  Want(kBad);
  config_->Refresh();
  TakeEvents();
  node_ = Status(Code::kFailedPrecondition, "more than one MIG device type present on node");
  config_->NodeChanged();
  loop_.AdvanceBy(seconds(20));
  EXPECT_THAT(TakeEvents(), ElementsAre(AllOf(StartsWith("Warning ConfigNotReapplied: "),
                                              HasSubstr("more than one MIG device type"))));
  node_ = Status::Ok();
  loop_.AdvanceBy(seconds(5));
  EXPECT_THAT(applied_, ElementsAre(4, 4));
}

}  // namespace
}  // namespace tranche::profile
