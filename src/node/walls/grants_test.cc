#include "node/walls/grants.h"

#include <gmock/gmock.h>

namespace tranche::node::walls {
namespace {

using ::testing::IsEmpty;

constexpr char kGpu[] = "GPU-1";

identity::Held Holds(const std::string& uid, int replicas, const std::string& container = "main") {
  return {.pod_namespace = "team",
          .pod = "pod-" + uid,
          .container = container,
          .device = kGpu,
          .replicas = 1,
          .of_pod = replicas,
          .pod_uid = uid};
}

class GrantsTest : public ::testing::Test {
 protected:
  // What pods hold now; whether all got what the rules say.
  bool Update(const plan::MemoryRules& rules, const std::vector<identity::Held>& held) {
    grants_.Keep(held, [this](const std::string& uid) { return uid == running_; });
    bool whole = true;
    for (const Grants::Holding& one : grants_.Missing(rules, held)) {
      whole = grants_.Give(one, rules.at(one.device)) && whole;
    }
    return whole;
  }
  std::uint64_t LimitOf(const std::string& uid) const {
    const GrantedPod* found = grants_.Find(uid);
    return found == nullptr ? UINT64_MAX : found->devices.at(kGpu).limit_bytes;
  }
  std::uint64_t Ask(const std::string& uid, const plan::MemoryRules& rules,
                    const std::optional<config::MemoryAmount>& amount) {
    return grants_.Ask(uid, rules, amount, Grants::Lowering::kAllowed).at(0).after;
  }

  Grants grants_;
  std::string running_;
};

plan::MemoryRules Rule(const share::MemoryShare& share) {
  return {{kGpu, {.enforced = true, .share = share}}};
}
const plan::MemoryRules kQuarter = Rule({.device_bytes = 100, .reserve_bytes = 20, .replicas = 4});

TEST_F(GrantsTest, APodHasTheSharesOfAllItsContainers) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 1), Holds("b", 3), Holds("b", 3, "other")}));
  EXPECT_EQ(LimitOf("a"), 20U);
  EXPECT_EQ(LimitOf("b"), 60U);
}

TEST_F(GrantsTest, ALimitStaysWhenTheProfileChangesAndANewPodGetsWhatIsLeft) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 1)}));
  const auto large =
      Rule({.device_bytes = 100, .reserve_bytes = 20, .limit_bytes = 70, .replicas = 4});
  EXPECT_FALSE(Update(large, {Holds("a", 1), Holds("b", 1)}));
  EXPECT_EQ(LimitOf("a"), 20U);
  EXPECT_EQ(LimitOf("b"), 60U);
  EXPECT_EQ(grants_.GrantedOn(kGpu), 80U);
  // Enforced no longer for new pods; those that have a wall keep it.
  EXPECT_TRUE(Update({}, {Holds("a", 1), Holds("b", 1), Holds("c", 1)}));
  EXPECT_EQ(LimitOf("a"), 20U);
  EXPECT_EQ(grants_.Find("c"), nullptr);
}

TEST_F(GrantsTest, WhatAPodHadIsFreeWhenItHasGone) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 4)}));
  EXPECT_TRUE(Update(kQuarter, {Holds("b", 4)}));
  EXPECT_EQ(grants_.Find("a"), nullptr);
  EXPECT_EQ(LimitOf("b"), 80U);
}

TEST_F(GrantsTest, APodThatIsMadeAgainUnderItsNameIsAnotherPod) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 4)}));
  identity::Held again = Holds("a", 1);
  again.pod_uid = "a2";
  EXPECT_TRUE(Update(kQuarter, {again}));
  EXPECT_EQ(grants_.Find("a"), nullptr);
  EXPECT_EQ(LimitOf("a2"), 20U) << "nothing of the first one's four";
}

TEST_F(GrantsTest, WhatStillRunsKeepsItsMemory) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 3)}));
  running_ = "a";
  EXPECT_FALSE(Update(kQuarter, {Holds("b", 2)}));
  EXPECT_EQ(LimitOf("a"), 60U);
  EXPECT_EQ(LimitOf("b"), 20U) << "what the one that ends has is not given twice";
}

TEST_F(GrantsTest, WhereItIsNotKnownWhoHoldsSomethingAPodOfThatNameKeepsWhatItHas) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 2)}));
  identity::Held unknown = Holds("a", 2);
  unknown.pod_uid = "";
  EXPECT_TRUE(Update(kQuarter, {unknown}));
  EXPECT_EQ(LimitOf("a"), 40U);
  EXPECT_EQ(grants_.pods().size(), 1U);
}

TEST_F(GrantsTest, WhoAsksGetsWhatTheBoundsByReplicaAllow) {
  const auto bounded = Rule(
      {.device_bytes = 100, .reserve_bytes = 0, .limit_bytes = 10, .max_bytes = 20, .replicas = 4});
  EXPECT_TRUE(Update(bounded, {Holds("a", 2)}));
  EXPECT_EQ(Ask("a", bounded, config::Milli{300}), 30U);
  EXPECT_EQ(Ask("a", bounded, config::Bytes{UINT64_MAX}), 40U);
  EXPECT_TRUE(
      grants_.Ask("a", bounded, config::Bytes{50}, Grants::Lowering::kAllowed).at(0).above_most);
  EXPECT_EQ(Ask("a", bounded, config::Bytes{1}), 1U);
  EXPECT_EQ(Ask("a", bounded, std::nullopt), 20U) << "what it was given at first";
  EXPECT_THAT(grants_.Ask("nobody", bounded, std::nullopt, Grants::Lowering::kAllowed), IsEmpty());
}

TEST_F(GrantsTest, WhereNothingIsEnforcedAnyMoreALimitCanBeLoweredAndComesBack) {
  EXPECT_TRUE(Update(kQuarter, {Holds("a", 1)}));
  EXPECT_EQ(Ask("a", {}, config::Bytes{5}), 5U);
  EXPECT_EQ(Ask("a", {}, config::Bytes{50}), 20U);
}

TEST_F(GrantsTest, AnAskThatMayNotLowerOnlyRaises) {
  const auto bounded = Rule({.device_bytes = 100, .limit_bytes = 40, .max_bytes = 80});
  EXPECT_FALSE(Update(bounded, {Holds("a", 1), Holds("b", 1), Holds("c", 1)}));
  EXPECT_EQ(LimitOf("c"), 20U);
  const auto refused = grants_.Ask("c", bounded, config::Bytes{60}, Grants::Lowering::kAllowed);
  EXPECT_TRUE(refused.at(0).no_room);
  EXPECT_EQ(LimitOf("c"), 20U);
  EXPECT_EQ(grants_.Ask("c", bounded, config::Bytes{10}, Grants::Lowering::kForbidden).at(0).after,
            20U);
  EXPECT_TRUE(Update(bounded, {Holds("b", 1), Holds("c", 1)}));
  EXPECT_EQ(grants_.Ask("c", bounded, config::Bytes{60}, Grants::Lowering::kForbidden).at(0).after,
            60U);
  EXPECT_EQ(grants_.GrantedOn(kGpu), 100U);
}

}  // namespace
}  // namespace tranche::node::walls
