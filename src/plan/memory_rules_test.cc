#include "plan/memory_rules.h"

#include <gmock/gmock.h>

#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"

namespace tranche::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

constexpr std::uint64_t kMib = 1ULL << 20U;

gpu::Inventory TwoGpus() {
  gpu::Inventory inventory = gpu::testing::Gpus(2);
  for (gpu::Gpu& gpu : inventory.gpus) gpu.memory_bytes = 1000 * kMib;
  return inventory;
}

std::string Uuid(std::size_t index) { return TwoGpus().gpus[index].uuid; }

Plan PlanOf(const config::Config& config) {
  const auto plan = BuildPlan(config, TwoGpus());
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : Plan();
}

MemoryRules RulesFor(const std::string& yaml) {
  const config::Config config = config::testing::Configured(yaml);
  const Plan plan = PlanOf(config);
  MemoryRules rules = EnforcedMemoryRules(config, plan, TwoGpus());
  EXPECT_EQ(AnyEnforcedMemory(config, plan), !rules.empty());
  for (const auto& [uuid, device] : plan.devices) {
    EXPECT_EQ(EnforcedMemory(config, device) != nullptr, rules.contains(uuid)) << uuid;
  }
  return rules;
}

std::optional<MemoryRule> RuleOfFirst(const std::string& yaml) {
  const config::Config config = config::testing::Configured(yaml);
  return MemoryRuleOf(config, PlanOf(config).devices.at(Uuid(0)), 1000 * kMib);
}

std::vector<std::string> WarningsOf(const std::string& yaml) {
  std::vector<std::string> texts;
  for (const PlanWarning& warning : PlanOf(config::testing::Configured(yaml)).warnings) {
    texts.push_back(warning.message);
  }
  return texts;
}

const std::string kShared = config::testing::Shared(4);

TEST(MemoryRulesTest, NothingIsEnforcedThatWasNotAskedFor) {
  EXPECT_THAT(RulesFor(kShared), IsEmpty());
  EXPECT_THAT(RulesFor(kShared + "tranche: {memory: {limit: 10%}}"), IsEmpty());
  EXPECT_THAT(RulesFor(kShared + "tranche: {memory: {mode: off}}"), IsEmpty());
}

TEST(MemoryRulesTest, WhatIsSharedIsObservedAlsoWithoutAWordInTheConfig) {
  const auto rule = RuleOfFirst(kShared);
  ASSERT_TRUE(rule.has_value());
  EXPECT_FALSE(rule->enforced);
  EXPECT_EQ(share::WantedMemory(rule->share), (1000 - 512) / 4 * kMib);
  EXPECT_FALSE(RuleOfFirst(kShared + "tranche: {memory: {mode: off}}").has_value());
  EXPECT_FALSE(RuleOfFirst("").has_value()) << "a whole GPU";
}

// An entry's own memory counts for what is observed as for what is enforced.
TEST(MemoryRulesTest, AnEntryIsObservedAsItIsEnforced) {
  for (const char* mode : {"observe", "enforce"}) {
    const auto rule = RuleOfFirst(kShared + R"(tranche:
  memory: {limit: 10%}
  resources:
  - {name: nvidia.com/gpu, devices: [0], memory: {limit: 300Mi, mode: )" +
                                  std::string(mode) + "}}");
    ASSERT_TRUE(rule.has_value()) << mode;
    EXPECT_EQ(rule->share.limit_bytes, 300 * kMib) << mode;
    EXPECT_EQ(rule->enforced, mode == std::string("enforce"));
  }
}

TEST(MemoryRulesTest, WholeGpusHaveNoWallUnlessAnEntryNamesThem) {
  EXPECT_THAT(RulesFor("tranche: {memory: {mode: enforce}}"), IsEmpty());
  const MemoryRules rules = RulesFor(R"(tranche:
  resources:
  - {name: nvidia.com/gpu, devices: [1], memory: {mode: enforce, limit: 100Mi}})");
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules.at(Uuid(1)).share.limit_bytes, 100 * kMib);
}

// The four ways in which people say how much a pod is to have, all of a quarter of what there is.
TEST(MemoryRulesTest, AShareThatIsSaidInOneOfFourWaysIsTheSameWall) {
  const std::string head = kShared + "tranche:\n  memory: {mode: enforce, reserve: 0";
  for (const std::string& yaml :
       {head + ", limit: 25%}\n", head + ", limit: 250Mi}\n",
        head + "}\n  resources: [{name: gpu, memory: {mode: enforce, reserve: 0, limit: 25%}}]\n",
        head + "}\n"}) {
    const MemoryRules rules = RulesFor(yaml);
    ASSERT_THAT(rules, SizeIs(2)) << yaml;
    share::MemoryShare share = rules.at(Uuid(0)).share;
    EXPECT_EQ(share::WantedMemory(share), 250 * kMib) << yaml;
    EXPECT_EQ(share::GrantedMemory(share, 750 * kMib), 250 * kMib) << yaml;
    EXPECT_EQ(share::GrantedMemory(share, 900 * kMib), 100 * kMib) << yaml;
    EXPECT_EQ(share::MostMemory(share), 250 * kMib) << yaml;
    share.held = 3;
    EXPECT_EQ(share::WantedMemory(share), 750 * kMib) << "three replicas are three shares\n"
                                                      << yaml;
  }
}

TEST(MemoryRulesTest, AnEntrySpeaksForItsDevicesAlone) {
  EXPECT_THAT(RulesFor(kShared + R"(tranche:
  memory: {mode: enforce, limit: 100Mi, arbiterAway: closed}
  resources:
  - {name: nvidia.com/gpu, replicasPerDevice: {1: 2}, memory: {mode: observe}})"),
              IsEmpty());
  const MemoryRules rules = RulesFor(kShared + R"(tranche:
  memory: {mode: enforce, limit: 100Mi, arbiterAway: closed}
  resources:
  - {name: nvidia.com/gpu, devices: [0], rename: nvidia.com/gpu.small, memory: {mode: enforce, limit: 50Mi, max: 80Mi}})");
  ASSERT_THAT(rules, SizeIs(1)) << "the other GPU is whole";
  EXPECT_EQ(rules.at(Uuid(0)).share.limit_bytes, 50 * kMib);
  EXPECT_EQ(rules.at(Uuid(0)).share.max_bytes, 80 * kMib);
  EXPECT_TRUE(rules.at(Uuid(0)).away_open);
}

TEST(MemoryRulesTest, AResourceIsFoundUnderItsNewName) {
  EXPECT_THAT(RulesFor(R"(tranche:
  resources:
  - {name: nvidia.com/gpu, devices: [1], rename: nvidia.com/gpu.large, memory: {mode: enforce}})"),
              ElementsAre(Key(Uuid(1))));
  EXPECT_THAT(RulesFor(R"(
sharing: {timeSlicing: {renameByDefault: true, resources: [{name: nvidia.com/gpu, replicas: 2}]}}
tranche: {resources: [{name: nvidia.com/gpu, memory: {mode: enforce}}]})"),
              ElementsAre(Key(Uuid(0)), Key(Uuid(1))));
}

TEST(MemoryRulesTest, WhatNotAllCanHaveIsWarnedOfOnceForEqualDevices) {
  EXPECT_THAT(WarningsOf(kShared + "tranche: {memory: {mode: enforce, reserve: 0, limit: 25%}}"),
              IsEmpty());
  EXPECT_THAT(WarningsOf(kShared + "tranche: {memory: {limit: 90%}}"), IsEmpty())
      << "it is only observed";
  EXPECT_THAT(WarningsOf(kShared + "tranche: {memory: {mode: enforce, limit: 25%}}"),
              ElementsAre(HasSubstr("not all of 4 replicas can have 250Mi: there are 488Mi")));
  EXPECT_THAT(WarningsOf(kShared + "tranche: {memory: {mode: enforce, reserve: 2Gi}}"),
              ElementsAre(HasSubstr("reserve leaves nothing")));
}

TEST(MemoryRulesTest, BoundsThatAreNoneOnADeviceAreWarnedOf) {
  const std::string head = kShared + "tranche: {memory: {mode: enforce, reserve: 0, ";
  EXPECT_THAT(WarningsOf(head + "limit: 200Mi, max: 10%}}"),
              ElementsAre(HasSubstr("max, 100Mi, is less than limit, 200Mi")));
  EXPECT_THAT(WarningsOf(head + "max: 100Mi}}"),
              ElementsAre(HasSubstr("max, 100Mi, is less than limit, 250Mi")));
  EXPECT_THAT(WarningsOf(head + "max: 40Gi}}"),
              ElementsAre(HasSubstr("nobody can have max, 40Gi: there are 1000Mi")));
  EXPECT_THAT(WarningsOf(head + "max: 50%}}"), IsEmpty());
}

}  // namespace
}  // namespace tranche::plan
