// What WallKeeper makes of the config, of what the kubelet says, and of the folders that it needs.
#include "node/wall_keeper.h"

#include "node/testing/wall_keeper_bed.h"

namespace tranche::node {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kGpu;
using testing::kMib;
using testing::kOther;

class WallKeeperTest : public testing::WallKeeperBed {};

TEST_F(WallKeeperTest, NothingStandsWhereNoConfigAsksForIt) {
  Write("{mode: observe, limit: 20Mi}");
  Begin();
  loop_.AdvanceBy(30s);
  EXPECT_FALSE(keeper_->State().asked_for);
  EXPECT_FALSE(keeper_->State().shim.wanted);
  EXPECT_FALSE(DoorIsOpen());
  EXPECT_FALSE(base::Exists(root_ / "shim"));
  EXPECT_EQ(Hello(), std::nullopt);
}

TEST_F(WallKeeperTest, WhereTheConfigAsksForItAPodHasItsWallAndTheLibrary) {
  Write(Enforce("20Mi"));
  Begin();
  EXPECT_TRUE(keeper_->State().asked_for);
  EXPECT_TRUE(keeper_->State().shim.published);
  EXPECT_EQ(WallOf("running").limit_bytes, 20 * kMib);
  ASSERT_EQ(Hello(), wire::Status::kOk);
  EXPECT_TRUE(Reserve(5 * kMib));
  const walls::Wall wall = WallOf("running");
  EXPECT_EQ(wall.pod_uid, testing::kRunning);
  EXPECT_EQ(wall.used_bytes, 5 * kMib);
  EXPECT_EQ(wall.walled, true);
  EXPECT_EQ(keeper_->State().programs, 1U);
  EXPECT_EQ(keeper_->State().door.accepted, 1U);
}

TEST_F(WallKeeperTest, AConfigThatComesIntoForceLaterIsKeptToFromThenOn) {
  Write("{mode: observe}");
  Begin();
  Write(Enforce("20Mi"));
  EXPECT_TRUE(DoorIsOpen());
  EXPECT_EQ(WallOf("running").limit_bytes, 20 * kMib) << "the kubelet has told of the pod before";
  EXPECT_TRUE(keeper_->State().shim.published);
}

// Also of a pod of which no program has come yet: it may come before a config does.
TEST_F(WallKeeperTest, AWallThatWasGivenIsKeptByASuccessorWithoutAConfig) {
  Write(Enforce("20Mi"));
  Begin();
  End();
  Write("");
  Begin();
  EXPECT_FALSE(config_->config());
  EXPECT_TRUE(keeper_->State().asked_for);
  EXPECT_EQ(WallOf("running").limit_bytes, 20 * kMib);
  EXPECT_TRUE(keeper_->State().shim.published);
  EXPECT_EQ(Hello(), wire::Status::kOk) << "whoever is given the library is answered";
}

TEST_F(WallKeeperTest, WhatProgramsDoWhileNobodyAnswersStaysAsItWasWithoutAConfig) {
  const auto away = [this] { return base::ReadFile(root_ / "walls/arbiter-away", 100).value(); };
  Write("{mode: enforce, limit: 20Mi, arbiterAway: closed}");
  Begin();
  ASSERT_EQ(away(), "closed\n");
  End();
  Write("");
  Begin();
  EXPECT_EQ(away(), "closed\n");
}

TEST_F(WallKeeperTest, AConfigThatFitsNoDeviceLeavesTheWallsAsTheyAre) {
  Hold({});
  Write(Enforce("20Mi"));
  Begin();
  inventory_ = gpu::testing::LongNamedGpus(2);
  gpu::testing::Cut(inventory_, 0, {"1g.10gb"});
  Write("{mode: observe}", "{migStrategy: single}");
  EXPECT_TRUE(keeper_->State().asked_for);
  EXPECT_TRUE(keeper_->State().shim.published);
  inventory_ = gpu::testing::LongNamedGpus(1);
  keeper_->ApplyConfig(inventory_);
  EXPECT_FALSE(keeper_->State().asked_for);
  EXPECT_FALSE(keeper_->State().shim.published);
}

TEST_F(WallKeeperTest, TheLibraryIsThereUntilTheLastWallIsGone) {
  Write(Enforce("20Mi"));
  Begin();
  Write("{mode: observe}");
  EXPECT_TRUE(keeper_->State().shim.published) << "the pod has its wall until it is gone";
  Hold({});
  RemovePod("running");
  loop_.AdvanceBy(KubeletWatch::kAsk);
  EXPECT_FALSE(keeper_->State().asked_for);
  EXPECT_FALSE(keeper_->State().shim.wanted);
}

// ---- who is not known yet ----

TEST_F(WallKeeperTest, OfAPodThatIsNewerThanItsAnswerTheKubeletIsAskedSoon) {
  Write(Enforce("20Mi"));
  Begin();
  const int asked = asked_kubelet_;
  PutPod("other", kOther);
  Hold({"running", "other"});
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(asked_kubelet_, asked + 1);
  EXPECT_EQ(WallOf("other").limit_bytes, 20 * kMib);
  PutPod("other", kOther, "10Mi");
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(asked_kubelet_, asked + 1) << "it is known, and asks for another limit";
}

TEST_F(WallKeeperTest, WhereNoWallIsAskedForTheKubeletIsNotHurried) {
  Write("{mode: observe}");
  Begin();
  const int asked = asked_kubelet_;
  PutPod("other", kOther);
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(asked_kubelet_, asked);
}

// An answer that says the same as the one before is an answer.
TEST_F(WallKeeperTest, AProgramOfAPodThatHoldsNothingWaitsForTwoAnswersOfTheKubelet) {
  Hold({});
  Write(Enforce("20Mi"));
  Begin();
  const int asked = asked_kubelet_;
  EXPECT_EQ(Hello(), wire::Status::kNotYet);
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(asked_kubelet_, asked + 1) << "at once";
  EXPECT_EQ(Hello(), wire::Status::kNotYet);
  loop_.AdvanceBy(KubeletWatch::kAskSoon);
  EXPECT_EQ(Hello(), wire::Status::kNotWalled);
}

TEST_F(WallKeeperTest, AProgramThatIsInNoPodIsNotAnswered) {
  Write(Enforce("20Mi"));
  Begin();
  proc_->Put(kSelf, identity::testing::kHostGroup);
  EXPECT_EQ(Hello(), std::nullopt);
  EXPECT_EQ(keeper_->State().door.strangers, 1U);
}

// ---- what is away ----

TEST_F(WallKeeperTest, WallsThatCannotStandAreTriedAgainAndMeanwhileNoLibraryIsGiven) {
  std::ofstream(root_ / "walls") << "no folder";
  Write(Enforce("20Mi"));
  Begin();
  EXPECT_NE(keeper_->State().trouble, "");
  EXPECT_FALSE(keeper_->State().shim.wanted);
  EXPECT_EQ(WallOf("running").reason.word, "not-standing");
  const int changes = status_changes_;
  std::filesystem::remove(root_ / "walls");
  loop_.AdvanceBy(WallKeeper::kTryAgain);
  EXPECT_EQ(keeper_->State().trouble, "");
  EXPECT_TRUE(keeper_->State().shim.published);
  EXPECT_GT(status_changes_, changes);
  EXPECT_EQ(Hello(), wire::Status::kOk);
}

TEST_F(WallKeeperTest, ALibraryThatCannotBeGivenIsAnEventAndSoIsItsReturn) {
  std::filesystem::remove(root_ / "image/tranche-hook");
  Write(Enforce("20Mi"));
  Begin();
  loop_.AdvanceBy(5 * delivery::Delivery::kLook);
  EXPECT_THAT(Events(), ElementsAre("Warning WallsNotInstalled"));
  EXPECT_EQ(events_.events()[0].count, 1U) << "the same trouble is told once";
  EXPECT_THAT(events_.events()[0].message, HasSubstr("no memory wall is put into a pod: "));
  EXPECT_GT(status_changes_, 0);
  std::ofstream(root_ / "image/tranche-hook") << "hook";
  loop_.AdvanceBy(2 * delivery::Delivery::kLook);
  EXPECT_THAT(Events(), ElementsAre("Warning WallsNotInstalled", "Normal WallsNotInstalled"));
}

TEST_F(WallKeeperTest, ALibraryThatIsNoLongerAskedForIsNoNews) {
  Hold({});
  Write(Enforce("20Mi"));
  Begin();
  Write("{mode: observe}");
  EXPECT_FALSE(keeper_->State().shim.published);
  Write(Enforce("20Mi"));
  EXPECT_TRUE(keeper_->State().shim.published);
  EXPECT_THAT(Events(), IsEmpty());
}

// ---- what a share may hold ----

TEST_F(WallKeeperTest, AShareMayHoldWhatTheConfigMakesOfTheSharesThatThereReallyAre) {
  Begin();
  std::map<std::string, identity::Shares> shares{
      {kGpu, {.resource = "nvidia.com/gpu", .advertised = 5, .shared = true}}};
  std::map<std::string, sight::Account> accounts;
  accounts[kGpu].memory = gpu::MemoryUse{.total = 100 * kMib};
  const auto bytes = [&]() -> std::uint64_t {
    const auto limits = keeper_->LimitsOf(shares, accounts);
    return limits.empty() ? 0 : share::WantedMemory(limits.at(kGpu));
  };
  EXPECT_EQ(bytes(), 0U) << "there is no config";
  Write("{mode: observe, reserve: 0}");
  EXPECT_EQ(bytes(), 20 * kMib) << "of five shares, though the config says four";
  accounts[kGpu].memory.reset();
  EXPECT_EQ(bytes(), 0U) << "the driver does not tell how large the GPU is";
  accounts.clear();
  EXPECT_EQ(bytes(), 0U) << "nor of it at all";
  accounts[kGpu].memory = gpu::MemoryUse{.total = 100 * kMib};
  shares[kGpu].advertised = 0;
  EXPECT_EQ(bytes(), 0U) << "it is unhealthy";
  shares[kGpu].advertised = 5;
  shares[kGpu].shared = false;
  EXPECT_EQ(bytes(), 0U) << "it is given whole";
}

}  // namespace
}  // namespace tranche::node
