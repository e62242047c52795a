#include "plan/enforced_memory.h"

#include <gtest/gtest.h>

#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"

namespace tranche::plan {
namespace {

constexpr char kShared[] = R"(
sharing:
  timeSlicing:
    resources:
    - {name: nvidia.com/gpu, replicas: 4}
)";

// The GPUs of two, by index, that have a wall.
std::string Walled(const std::string& yaml) {
  const config::Config config = config::testing::Configured(yaml);
  const auto plan = BuildPlan(config, gpu::testing::Gpus(2));
  if (!plan.ok()) return plan.status().message();
  std::string walled;
  for (const auto& [uuid, device] : plan->devices) {
    if (EnforcedMemory(config, device) != nullptr) walled += device.index;
  }
  EXPECT_EQ(AnyEnforcedMemory(config, *plan), !walled.empty());
  return walled;
}

TEST(EnforcedMemoryTest, OnlyEnforceIsAWall) {
  const std::string shared = kShared;
  EXPECT_EQ(Walled(shared), "");
  for (const char* mode : {"off", "observe"}) {
    EXPECT_EQ(Walled(shared + "tranche: {memory: {mode: " + mode + "}}"), "") << mode;
  }
  EXPECT_EQ(Walled(shared + "tranche: {memory: {limit: 10%}}"), "") << "observe is the default";
  EXPECT_EQ(Walled(shared + "tranche: {memory: {mode: enforce}}"), "01");
}

TEST(EnforcedMemoryTest, AWholeGpuHasNoneUnlessAnEntryNamesIt) {
  EXPECT_EQ(Walled("tranche: {memory: {mode: enforce}}"), "");
  EXPECT_EQ(Walled(R"(tranche:
  resources:
  - {name: nvidia.com/gpu, devices: [1], memory: {mode: enforce, limit: 100Mi}})"),
            "1");
}

TEST(EnforcedMemoryTest, AnEntryTakesThePlaceOfTheGeneralKey) {
  const std::string general = std::string(kShared) + "tranche:\n  memory: {mode: enforce}\n";
  EXPECT_EQ(Walled(general), "01");
  EXPECT_EQ(Walled(general + R"(  resources:
  - {name: nvidia.com/gpu, memory: {mode: observe}})"),
            "");
}

TEST(EnforcedMemoryTest, AResourceIsFoundUnderItsNewName) {
  EXPECT_EQ(Walled(R"(tranche:
  resources:
  - {name: nvidia.com/gpu, devices: [1], rename: nvidia.com/gpu.large, memory: {mode: enforce}})"),
            "1");
  EXPECT_EQ(Walled(R"(
sharing: {timeSlicing: {renameByDefault: true, resources: [{name: nvidia.com/gpu, replicas: 2}]}}
tranche: {resources: [{name: nvidia.com/gpu, memory: {mode: enforce}}]})"),
            "01");
}

}  // namespace
}  // namespace tranche::plan
