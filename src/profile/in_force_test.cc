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

TEST_F(InForceTest, AGoodConfigIsPutInForce) {
  EXPECT_FALSE(state().usable);
  Want(Replicas(4));
  config_->NodeChanged();
  EXPECT_THAT(applied_, ElementsAre(4));
  EXPECT_THAT(sources_, ElementsAre("/profiles/default"));
  EXPECT_TRUE(state().usable);
  EXPECT_EQ(state().profile, "default");
  EXPECT_EQ(state().source, "/profiles/default");
  EXPECT_EQ(state().error, "");
  EXPECT_FALSE(state().from_last_good);
  EXPECT_EQ(state().applied, 1U);
  EXPECT_THAT(TakeEvents(), ElementsAre("Normal ConfigApplied: profile 'default' is in force"));
}

TEST_F(InForceTest, TheSameBytesAreAppliedAgainOnlyWhereTheNodeChanged) {
  Want(Replicas(4));
  config_->NodeChanged();
  config_->Refresh();
  config_->Refresh();
  EXPECT_EQ(applied_.size(), 1U);
  config_->NodeChanged();
  EXPECT_EQ(applied_.size(), 2U);
  EXPECT_EQ(state().applied, 1U);
  EXPECT_EQ(events_.size(), 1U) << "and nobody is told";
}

TEST_F(InForceTest, AnEditIsApplied) {
  Want(Replicas(4));
  config_->NodeChanged();
  Want(Replicas(8));
  config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4, 8));
  EXPECT_EQ(state().applied, 2U);
}

TEST_F(InForceTest, ABadConfigKeepsWhatIsInForceAndIsToldOnce) {
  Want(Replicas(4));
  config_->NodeChanged();
  TakeEvents();
  Want(kBad);
  for (int i = 0; i < 5; ++i) config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4));
  EXPECT_TRUE(state().usable);
  EXPECT_FALSE(state().from_last_good);
  EXPECT_THAT(state().error, HasSubstr("version"));
  EXPECT_EQ(state().rejected, 1U);
  EXPECT_THAT(TakeEvents(),
              ElementsAre(AllOf(StartsWith("Warning ConfigRejected: profile 'default': "),
                                HasSubstr("; what was in force stays"))));
  // Another mistake is other news.
  Want("version: v1\nsharing: [");
  config_->Refresh();
  EXPECT_EQ(state().rejected, 2U);
  EXPECT_EQ(TakeEvents().size(), 1U);
}

TEST_F(InForceTest, MendingABadConfigEndsTheError) {
  Want(Replicas(4));
  config_->NodeChanged();
  Want(kBad);
  config_->Refresh();
  Want(Replicas(2));
  config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4, 2));
  EXPECT_EQ(state().error, "");
  // The same mistake again is news again.
  TakeEvents();
  Want(kBad);
  config_->Refresh();
  EXPECT_EQ(TakeEvents().size(), 1U);
}

TEST_F(InForceTest, GoingBackToWhatIsInForceChangesNothing) {
  Want(Replicas(4));
  config_->NodeChanged();
  Want(kBad);
  config_->Refresh();
  TakeEvents();
  Want(Replicas(4));
  config_->Refresh();
  EXPECT_THAT(applied_, ElementsAre(4)) << "nothing was disturbed";
  EXPECT_EQ(state().error, "");
  EXPECT_THAT(TakeEvents(), ElementsAre(StartsWith("Normal ConfigRestored: ")));
}

TEST_F(InForceTest, AProfileThatDoesNotExistIsARefusal) {
  Want(Replicas(4));
  config_->NodeChanged();
  WantMissing();
  config_->Refresh();
  EXPECT_EQ(state().error, "specified config prod does not exist");
  EXPECT_EQ(state().profile, "default");
  EXPECT_EQ(state().wanted_source, "/profiles");
}

// ---- no config named ----

TEST_F(InForceTest, NothingNamedIsTheUnsharedDefault) {
  WantNothingNamed();
  config_->NodeChanged();
  EXPECT_THAT(applied_, ElementsAre(0));
  EXPECT_TRUE(state().usable);
  EXPECT_EQ(state().source, "");
  EXPECT_THAT(TakeEvents(), ElementsAre("Normal ConfigApplied: the unshared default is in force"));
  Save();
  EXPECT_EQ(LoadLastGood(state_).status().code(), Code::kNotFound) << "it needs no memory";
}

TEST_F(InForceTest, TheUnsharedDefaultIsNotReplacedByAnEarlierConfig) {
  Want(Replicas(4));
  config_->NodeChanged();
  Save();
  Restart();
  WantNothingNamed();
  node_ = Status(Code::kResourceExhausted, "no space left on device");
  config_->NodeChanged();
  node_ = Status::Ok();
  loop_.AdvanceBy(seconds(5));
  EXPECT_THAT(applied_, ElementsAre(0));
  EXPECT_FALSE(state().from_last_good);
}

// ---- warnings ----

TEST_F(InForceTest, WarningsCarryFileAndLine) {
  Want(Replicas(4) + "sharring: {}\n");
  config_->NodeChanged();
  ASSERT_EQ(state().warnings.size(), 1U);
  EXPECT_THAT(state().warnings[0], StartsWith("/profiles/default:7:"));
  EXPECT_THAT(state().warnings[0], HasSubstr("sharring"));
}

TEST_F(InForceTest, WhatIsNotYetInForceIsSaid) {
  Want(Replicas(4) + "tranche:\n  memory: {mode: enforce}\n  time: {mode: enforce}\n");
  config_->NodeChanged();
  EXPECT_THAT(state().not_in_force, ElementsAre("tranche.time"));
  Want(Replicas(4) + "tranche:\n  memory: {mode: observe}\n  time: {mode: observe}\n");
  config_->Refresh();
  EXPECT_THAT(state().not_in_force, IsEmpty());
}

}  // namespace
}  // namespace tranche::profile
