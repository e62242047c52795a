#include "node/walls/rules.h"

#include <gmock/gmock.h>

#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"

namespace tranche::node::walls {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kMib = 1ULL << 20U;
constexpr char kShared[] = R"(
sharing:
  timeSlicing:
    resources:
    - {name: nvidia.com/gpu, replicas: 4}
)";

gpu::Inventory TwoGpus() {
  gpu::Inventory inventory = gpu::testing::Gpus(2);
  for (gpu::Gpu& gpu : inventory.gpus) gpu.memory_bytes = 1000 * kMib;
  return inventory;
}

Rules RulesFor(const std::string& yaml) {
  const config::Config config = config::testing::Configured(yaml);
  const gpu::Inventory inventory = TwoGpus();
  const auto plan = plan::BuildPlan(config, inventory);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? RulesOf(config, *plan, inventory) : Rules();
}

std::string Uuid(std::size_t index) { return TwoGpus().gpus[index].uuid; }

TEST(RulesTest, NothingIsEnforcedThatWasNotAskedFor) {
  EXPECT_THAT(RulesFor(kShared), IsEmpty());
  EXPECT_THAT(RulesFor(std::string(kShared) + "tranche: {memory: {limit: 10%}}"), IsEmpty());
  EXPECT_THAT(RulesFor(std::string(kShared) + "tranche: {memory: {mode: off}}"), IsEmpty());
}

TEST(RulesTest, WholeGpusHaveNoWallUnlessAnEntryNamesThem) {
  EXPECT_THAT(RulesFor("tranche: {memory: {mode: enforce}}"), IsEmpty());
  const Rules rules = RulesFor(R"(tranche:
  resources:
  - {name: nvidia.com/gpu, devices: [1], memory: {mode: enforce, limit: 100Mi}})");
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules.at(Uuid(1)).limit_bytes, 100 * kMib);
}

TEST(RulesTest, AShareIsSaidInFourWays) {
  const std::string shared = kShared;
  const auto by_replicas = RulesFor(shared + "tranche: {memory: {mode: enforce, reserve: 200Mi}}");
  ASSERT_THAT(by_replicas, SizeIs(2));
  EXPECT_EQ(by_replicas.at(Uuid(0)).replicas, 4);
  EXPECT_EQ(by_replicas.at(Uuid(0)).reserve_bytes, 200 * kMib);
  EXPECT_FALSE(by_replicas.at(Uuid(0)).limit_bytes.has_value());
  EXPECT_EQ(
      RulesFor(shared + "tranche: {memory: {mode: enforce, limit: 25%}}").at(Uuid(0)).limit_bytes,
      250 * kMib);
  EXPECT_EQ(
      RulesFor(shared + "tranche: {memory: {mode: enforce, limit: 250Mi}}").at(Uuid(0)).limit_bytes,
      250 * kMib);
  EXPECT_EQ(RulesFor(shared + R"(tranche:
  resources:
  - {name: nvidia.com/gpu, memory: {mode: enforce, limit: 250Mi}})")
                .at(Uuid(0))
                .limit_bytes,
            250 * kMib);
}

TEST(RulesTest, AnEntrySpeaksForItsDevicesAlone) {
  const Rules rules = RulesFor(std::string(kShared) + R"(tranche:
  memory: {mode: enforce, limit: 100Mi, arbiterAway: closed}
  resources:
  - {name: nvidia.com/gpu, replicasPerDevice: {1: 2}, memory: {mode: observe}})");
  EXPECT_THAT(rules, IsEmpty());
}

}  // namespace
}  // namespace tranche::node::walls
