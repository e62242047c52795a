#include "profile/in_force.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/fake_worker.h"
#include "base/testing/real_loop.h"

namespace tranche::profile {
namespace {

using base::Code;
using base::Status;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string Replicas(int replicas) {
  return "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: nvidia.com/gpu\n"
         "      replicas: " +
         std::to_string(replicas) + "\n";
}
constexpr char kBad[] = "version: v9\n";

class FakeSource : public ConfigSource {
 public:
  [[nodiscard]] WantedConfig Read() const override {
    ++reads;
    return wanted;
  }
  [[nodiscard]] std::vector<std::string> AvailableProfiles() const override { return {}; }
  WantedConfig wanted;
  std::function<void()> changed;
  mutable int reads = 0;
};

class InForceTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  // A new process: nothing in memory, the disk as it was.
  void Restart() {
    const WantedConfig wanted = source_ == nullptr ? WantedConfig() : source_->wanted;
    config_.reset();
    node_ = Status::Ok();
    applied_.clear();
    sources_.clear();
    events_.clear();
    config_ = std::make_unique<InForce>(
        loop_,
        [&](std::function<void()> changed) {
          auto source = std::make_unique<FakeSource>();
          source->wanted = wanted;
          source->changed = std::move(changed);
          source_ = source.get();
          return source;
        },
        Overrides{}, LastGoodPlace{.directory = state_, .worker = &worker_},
        InForce::Owner{
            .apply = [this](const config::Loaded& loaded, const std::string& source) -> Status {
              TRANCHE_TRY(node_);
              const auto& resources = loaded.config.time_slicing.resources;
              applied_.push_back(resources.empty() ? 0 : resources[0].replicas);
              sources_.push_back(source);
              return Status::Ok();
            },
            .event =
                [this](daemon::EventType type, const std::string& reason,
                       const std::string& message) {
                  events_.push_back(std::string(TypeName(type)) + " " + reason + ": " + message);
                },
            .source_changed = {}});
  }

  void Want(const std::string& text, const std::string& profile = "default") {
    source_->wanted = {.profile = profile,
                       .source = "/profiles/" + profile,
                       .named = true,
                       .status = Status::Ok(),
                       .text = text};
  }
  void WantNothingNamed() { source_->wanted = {}; }
  void WantMissing() {
    source_->wanted = {.profile = "",
                       .source = "/profiles",
                       .named = true,
                       .status = {Code::kNotFound, "specified config prod does not exist"},
                       .text = ""};
  }
  const ConfigState& state() const { return config_->state(); }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  void Save() { loop_.AdvanceBy(milliseconds(20)); }

  base::testing::TempDir dir_;
  const std::string state_ = dir_ / "tranche";
  base::testing::FakeLoop loop_;
  base::testing::FakeWorker worker_{loop_};
  FakeSource* source_ = nullptr;
  Status node_;               // what the node says to any config
  std::vector<int> applied_;  // replicas of each that was taken into use
  std::vector<std::string> sources_;
  std::vector<std::string> events_;
  std::unique_ptr<InForce> config_;
};

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

// ---- the last good config ----

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
  Want(Replicas(4) + "tranche:\n  memory: {mode: enforce}\n  time: {mode: observe}\n");
  config_->NodeChanged();
  EXPECT_THAT(state().not_in_force, ElementsAre("tranche.memory", "tranche.time"));
  Want(Replicas(4));
  config_->Refresh();
  EXPECT_THAT(state().not_in_force, IsEmpty());
}

}  // namespace
}  // namespace tranche::profile
