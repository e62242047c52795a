#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"
#include "share/replica.h"

namespace tranche::plan {
namespace {

using config::testing::Configured;
using config::testing::Flag;
using config::testing::Shared;
using gpu::testing::Cut;
using gpu::testing::Gpus;
using gpu::testing::LongNamedGpus;
using gpu::testing::LongUuid;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Plan Planned(const config::Config& config, const gpu::Inventory& inventory) {
  auto plan = BuildPlan(config, inventory);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? std::move(*plan) : Plan();
}

std::vector<std::string> Names(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlannedResource& resource : plan.resources) names.push_back(resource.advertised.name);
  return names;
}

std::vector<std::string> Ids(const Plan& plan, const std::string& name) {
  for (const PlannedResource& resource : plan.resources) {
    if (resource.advertised.name != name) continue;
    std::vector<std::string> ids;
    for (const share::AdvertisedDevice& device : resource.advertised.devices) {
      for (int k = 0; k < device.replicas; ++k) {
        ids.push_back(share::IdOf(device.uuid, device.replicas, k));
      }
    }
    return ids;
  }
  return {"no such resource"};
}

const PlannedResource& Resource(const Plan& plan, const std::string& name) {
  const auto it = std::find_if(plan.resources.begin(), plan.resources.end(),
                               [&](const auto& r) { return r.advertised.name == name; });
  TRANCHE_CHECK(it != plan.resources.end());
  return *it;
}

config::Config Mig(const std::string& strategy, const std::string& body = "") {
  return Configured(body, {Flag("mig-strategy", {strategy})});
}

std::string Refusal(const config::Config& config, const gpu::Inventory& inventory) {
  const auto plan = BuildPlan(config, inventory);
  return plan.ok() ? "accepted" : plan.status().message();
}

// ---- whole GPUs and shares ----

TEST(PlanTest, WithoutSharingEachGpuIsItself) {
  gpu::Inventory inventory = Gpus(2);
  inventory.gpus[1].numa_node = 1;
  const Plan plan = Planned(Configured(""), inventory);
  ASSERT_THAT(Names(plan), ElementsAre("nvidia.com/gpu"));
  const PlannedResource& gpu = plan.resources[0];
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-0", "GPU-1"));
  EXPECT_FALSE(gpu.advertised.shared);
  EXPECT_TRUE(gpu.align_whole_gpus);
  EXPECT_EQ(gpu.policy, share::Policy::kDistributed);
  EXPECT_FALSE(gpu.drain_before_exclusive);
  EXPECT_EQ(gpu.advertised.devices[0].numa_node, std::nullopt);
  EXPECT_EQ(gpu.advertised.devices[1].numa_node, 1);
  EXPECT_THAT(plan.warnings, IsEmpty());
  const PlannedDevice& device = plan.devices.at("GPU-1");
  EXPECT_EQ(device.index, "1");
  EXPECT_EQ(device.parent, "");
  EXPECT_THAT(device.paths, ElementsAre("/dev/nvidia1"));
  EXPECT_EQ(device.resource, "nvidia.com/gpu");
  EXPECT_EQ(device.replicas, 1);
}

TEST(PlanTest, SharesHaveIdsInOrder) {
  const Plan plan = Planned(Configured(Shared(3)), Gpus(2));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"),
              ElementsAre("GPU-0::0", "GPU-0::1", "GPU-0::2", "GPU-1::0", "GPU-1::1", "GPU-1::2"));
  EXPECT_TRUE(plan.resources[0].advertised.shared);
  EXPECT_FALSE(plan.resources[0].align_whole_gpus);
  EXPECT_EQ(plan.devices.at("GPU-0").replicas, 3);
}

TEST(PlanTest, ManyReplicasStaySortedByNumber) {
  const Plan plan = Planned(Configured(Shared(12)), Gpus(1));
  const auto ids = Ids(plan, "nvidia.com/gpu");
  EXPECT_EQ(ids[2], "GPU-0::2");
  EXPECT_EQ(ids[10], "GPU-0::10");
}

TEST(PlanTest, OneReplicaMeansNotShared) {
  const Plan plan = Planned(Configured(Shared(1)), Gpus(2));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-0", "GPU-1"));
  EXPECT_FALSE(plan.resources[0].advertised.shared);
  EXPECT_TRUE(plan.resources[0].align_whole_gpus);
  EXPECT_THAT(plan.warnings, IsEmpty());
}

TEST(PlanTest, RenameByDefaultTouchesOnlyWhatIsShared) {
  const std::string rename = "    renameByDefault: true\n";
  EXPECT_THAT(Names(Planned(Configured(Shared(2, rename)), Gpus(1))),
              ElementsAre("nvidia.com/gpu.shared"));
  EXPECT_THAT(Names(Planned(Configured(Shared(1, rename)), Gpus(1))),
              ElementsAre("nvidia.com/gpu"));
  const Plan plan = Planned(Configured(Shared(2, rename)), Gpus(1));
  EXPECT_EQ(plan.resources[0].advertised.original, "nvidia.com/gpu");
  EXPECT_EQ(plan.devices.at("GPU-0").resource, "nvidia.com/gpu.shared");
}

TEST(PlanTest, ANodeWithoutGpusServesNothingAndIsNoTypo) {
  const Plan plan = Planned(Configured(Shared(4)), gpu::Inventory());
  EXPECT_THAT(plan.resources, IsEmpty());
  EXPECT_THAT(plan.warnings, IsEmpty());
}

TEST(PlanTest, AGpuListedTwiceCountsOnce) {
  gpu::Inventory inventory = Gpus(1);
  inventory.gpus.push_back(inventory.gpus[0]);
  const Plan plan = Planned(Configured(Shared(2)), inventory);
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-0::0", "GPU-0::1"));
  EXPECT_EQ(plan.devices.at("GPU-0").replicas, 2);
}

TEST(PlanTest, TheFlagChoosesThePolicy) {
  const auto policy = [](const std::string& word) {
    const auto config = Configured(Shared(2), {Flag("shared-devices-allocation-policy", {word})});
    return Planned(config, Gpus(1)).resources[0].policy;
  };
  EXPECT_EQ(policy("distributed"), share::Policy::kDistributed);
  EXPECT_EQ(policy("packed"), share::Policy::kPacked);
}

// ---- MIG ----

TEST(PlanTest, MigNoneIgnoresMig) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb", "1g.10gb"});
  const Plan plan = Planned(Mig("none"), inventory);
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-0", "GPU-1"));
  EXPECT_THAT(plan.warnings, IsEmpty());
}

TEST(PlanTest, MigSingleAdvertisesTheInstancesAsGpus) {
  gpu::Inventory inventory = Gpus(2);
  inventory.gpus[1].numa_node = 1;
  Cut(inventory, 0, {"1g.10gb", "1g.10gb"});
  Cut(inventory, 1, {"1g.10gb"});
  const Plan plan = Planned(Mig("single", Shared(2)), inventory);
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("MIG-0-0::0", "MIG-0-0::1", "MIG-0-1::0",
                                                       "MIG-0-1::1", "MIG-1-0::0", "MIG-1-0::1"));
  const PlannedDevice& mig = plan.devices.at("MIG-1-0");
  EXPECT_EQ(mig.index, "1:0");
  EXPECT_EQ(mig.parent, "GPU-1");
  EXPECT_THAT(mig.paths, ElementsAre("/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap101",
                                     "/dev/nvidia-caps/nvidia-cap102"));
  EXPECT_EQ(plan.resources[0].advertised.devices.back().numa_node, 1);
  EXPECT_FALSE(plan.devices.contains("GPU-0"));
}

TEST(PlanTest, WholeMigDevicesAreNotAlignedLikeGpus) {
  gpu::Inventory inventory = Gpus(1);
  Cut(inventory, 0, {"1g.10gb", "1g.10gb"});
  EXPECT_FALSE(Planned(Mig("single"), inventory).resources[0].align_whole_gpus);
}

TEST(PlanTest, MigSingleWithoutMigIsPlain) {
  EXPECT_THAT(Ids(Planned(Mig("single"), Gpus(2)), "nvidia.com/gpu"),
              ElementsAre("GPU-0", "GPU-1"));
}

TEST(PlanTest, MigSingleRefusesAMixOfModes) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  EXPECT_EQ(Refusal(Mig("single"), inventory),
            "all devices on the node must be configured with the same migEnabled value");
}

TEST(PlanTest, MigSingleRefusesAMixOfShapes) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 0, {"1g.10gb"});
  Cut(inventory, 1, {"2g.20gb"});
  const char* text = "invalid MIG configuration: more than one MIG device type present on node";
  EXPECT_EQ(Refusal(Mig("single"), inventory), text);
  Cut(inventory, 1, {"1g.10gb"});
  inventory.gpus[1].mig_devices[0].memory_bytes /= 2;  // another model's 1g
  EXPECT_EQ(Refusal(Mig("single"), inventory), text);
}

TEST(PlanTest, MigSingleRefusesAGpuWithoutInstances) {
  gpu::Inventory inventory = Gpus(3);
  Cut(inventory, 0, {"1g.10gb", "2g.20gb"});
  Cut(inventory, 1, {});
  // Of several faults upstream tells of this one first.
  EXPECT_EQ(Refusal(Mig("single"), inventory),
            "invalid MIG configuration: at least one device with migEnabled=true was not "
            "configured correctly: device 1 has no MIG devices configured");
}

TEST(PlanTest, MigMixedHasAResourceForEachProfile) {
  gpu::Inventory inventory = Gpus(3);
  Cut(inventory, 1, {"1g.10gb", "2g.20gb", "1g.10gb+me"});
  Cut(inventory, 2, {"1g.10gb"});
  const Plan plan = Planned(Mig("mixed"), inventory);
  EXPECT_THAT(Names(plan), ElementsAre("nvidia.com/gpu", "nvidia.com/mig-1g.10gb",
                                       "nvidia.com/mig-1g.10gb.me", "nvidia.com/mig-2g.20gb"));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-0"));
  EXPECT_THAT(Ids(plan, "nvidia.com/mig-1g.10gb"), ElementsAre("MIG-1-0", "MIG-2-0"));
  EXPECT_THAT(plan.warnings, IsEmpty());
}

TEST(PlanTest, MigMixedSharesByProfile) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb", "2g.20gb"});
  const Plan plan = Planned(Mig("mixed",
                                "sharing:\n  timeSlicing:\n    renameByDefault: true\n    "
                                "resources:\n    - name: nvidia.com/mig-1g.10gb\n      replicas: "
                                "2\n"),
                            inventory);
  EXPECT_THAT(Names(plan), ElementsAre("nvidia.com/gpu", "nvidia.com/mig-1g.10gb.shared",
                                       "nvidia.com/mig-2g.20gb"));
  EXPECT_THAT(Ids(plan, "nvidia.com/mig-1g.10gb.shared"), ElementsAre("MIG-1-0::0", "MIG-1-0::1"));
}

TEST(PlanTest, MigMixedWarnsOfWhatItCannotAdvertise) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 0, {"1c.2g.20gb", "2g.20gb"});
  Cut(inventory, 1, {});
  const Plan plan = Planned(Mig("mixed"), inventory);
  EXPECT_THAT(Names(plan), ElementsAre("nvidia.com/mig-2g.20gb"));
  ASSERT_EQ(plan.warnings.size(), 2U);
  EXPECT_THAT(plan.warnings[0].message,
              AllOf(HasSubstr("MIG profile '1c.2g.20gb' does not match any resource patterns"),
                    HasSubstr("device 0:0")));
  EXPECT_THAT(plan.warnings[1].message, HasSubstr("GPU 1 has MIG enabled but no MIG devices"));
}

TEST(PlanTest, MigSingleTakesComputeInstancesToo) {
  gpu::Inventory inventory = Gpus(1);
  Cut(inventory, 0, {"1c.2g.20gb", "1c.2g.20gb"});
  EXPECT_EQ(Ids(Planned(Mig("single"), inventory), "nvidia.com/gpu").size(), 2U);
}

// ---- tranche.resources ----

std::string Options(const std::string& lines) {
  return "tranche:\n  resources:\n  - name: nvidia.com/gpu\n" + lines;
}

TEST(PlanTest, DevicesLimitTheRuleToSome) {
  const Plan plan = Planned(
      Configured(Shared(2) + Options("    devices: [1, " + LongUuid(2) + "]\n")), LongNamedGpus(4));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"),
              ElementsAre(LongUuid(0), LongUuid(1) + "::0", LongUuid(1) + "::1",
                          LongUuid(2) + "::0", LongUuid(2) + "::1", LongUuid(3)));
  // Neither all whole nor all shares: not a case for alignment.
  EXPECT_FALSE(plan.resources[0].align_whole_gpus);
}

TEST(PlanTest, RenameGivesTheSharesTheirOwnName) {
  const Plan plan = Planned(
      Configured(Shared(2) + Options("    devices: [0]\n    rename: nvidia.com/gpu.small\n")),
      Gpus(2));
  EXPECT_THAT(Names(plan), ElementsAre("nvidia.com/gpu", "nvidia.com/gpu.small"));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu.small"), ElementsAre("GPU-0::0", "GPU-0::1"));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-1"));
  EXPECT_EQ(Resource(plan, "nvidia.com/gpu.small").advertised.original, "nvidia.com/gpu");
}

TEST(PlanTest, RenameWinsOverRenameByDefault) {
  const Plan plan = Planned(Configured(Shared(2, "    renameByDefault: true\n") +
                                       Options("    rename: nvidia.com/gpu.small\n")),
                            Gpus(1));
  EXPECT_THAT(Names(plan), ElementsAre("nvidia.com/gpu.small"));
}

TEST(PlanTest, ReplicasPerDeviceWinOverTheCount) {
  const Plan plan = Planned(Configured(Shared(2) + Options("    replicasPerDevice: {" +
                                                           LongUuid(1) + ": 3, \"2\": 1}\n")),
                            LongNamedGpus(3));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"),
              ElementsAre(LongUuid(0) + "::0", LongUuid(0) + "::1", LongUuid(1) + "::0",
                          LongUuid(1) + "::1", LongUuid(1) + "::2", LongUuid(2)));
  EXPECT_EQ(plan.devices.at(LongUuid(1)).replicas, 3);
  EXPECT_EQ(plan.devices.at(LongUuid(2)).replicas, 1);
}

TEST(PlanTest, OptionsAloneWorkWithoutTimeSlicing) {
  const Plan plan = Planned(Configured(Options("    replicasPerDevice: {\"0\": 2}\n")), Gpus(2));
  EXPECT_THAT(Ids(plan, "nvidia.com/gpu"), ElementsAre("GPU-0::0", "GPU-0::1", "GPU-1"));
}

TEST(PlanTest, PolicyAndDrainAreTheResources) {
  const Plan plan = Planned(Configured(Shared(2) + Options("    allocationPolicy: spread\n"
                                                           "    drainBeforeExclusive: true\n")),
                            Gpus(1));
  EXPECT_EQ(plan.resources[0].policy, share::Policy::kSpread);
  EXPECT_TRUE(plan.resources[0].drain_before_exclusive);
}

TEST(PlanTest, OptionsFollowARenamedResource) {
  const Plan plan = Planned(Configured(Shared(2, "    renameByDefault: true\n") +
                                       Options("    allocationPolicy: packed\n")),
                            Gpus(1));
  EXPECT_EQ(Resource(plan, "nvidia.com/gpu.shared").policy, share::Policy::kPacked);
}

// ---- what is said about a config that does not fit ----

TEST(PlanTest, AnUnmatchedNameIsWarnedAboutWithLineAndSpelling) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  const Plan plan = Planned(Mig("mixed",
                                "sharing:\n  timeSlicing:\n    resources:\n"
                                "    - name: nvidia.com/mig-1g.5gb\n      replicas: 2\n"
                                "    - name: nvidia.com/elephant\n      replicas: 2\n"),
                            inventory);
  // "elephant" is no NVIDIA resource anywhere: that is said with the config.
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_EQ(plan.warnings[0].message,
            "resource 'nvidia.com/mig-1g.5gb' matches nothing on this node (did you mean "
            "'nvidia.com/mig-1g.10gb'?)");
  EXPECT_EQ(plan.warnings[0].line, 5);
  // The rest of the node is served all the same.
  EXPECT_THAT(Names(plan), ElementsAre("nvidia.com/gpu", "nvidia.com/mig-1g.10gb"));
}

TEST(PlanTest, AnUnmatchedDeviceIsWarnedAbout) {
  const Plan plan = Planned(
      Configured(Shared(2) + Options("    devices: [0, 7, " + LongUuid(9) + "]\n")), Gpus(1));
  std::vector<std::string> messages;
  for (const PlanWarning& warning : plan.warnings) messages.push_back(warning.message);
  EXPECT_THAT(messages, ElementsAre("device '7' in tranche.resources matches nothing on this node",
                                    "device '" + LongUuid(9) +
                                        "' in tranche.resources matches nothing on this node"));
}

TEST(PlanTest, OfVeryManyWarningsTheFirstAreKept) {
  std::string body = "sharing:\n  timeSlicing:\n    resources:\n";
  for (int i = 0; i < 2000; ++i) {
    body += "    - name: nvidia.com/mig-" + std::to_string(i) + "g.10gb\n      replicas: 2\n";
  }
  const Plan plan = Planned(Configured(body), Gpus(1));
  ASSERT_EQ(plan.warnings.size(), 101U);
  EXPECT_EQ(plan.warnings.back().message, "more that match nothing on this node are left out");
}

// Each list of the two would fit.
TEST(PlanTest, AllListsTogetherAreBoundedAsOneIs) {
  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 1, {"1g.10gb"});
  const auto both = [](int replicas) {
    const std::string count = std::to_string(replicas);
    return Mig("mixed",
               "sharing:\n  timeSlicing:\n    resources:\n    - name: nvidia.com/gpu\n"
               "      replicas: " +
                   count +
                   "\n    - name: nvidia.com/mig-1g.10gb\n"
                   "      replicas: " +
                   count + "\n");
  };
  EXPECT_EQ(Planned(both(10'000), inventory).resources.size(), 2U);
  EXPECT_THAT(Refusal(both(100'000), inventory),
              AllOf(HasSubstr("all resources together would have 200000 devices"),
                    HasSubstr("choose fewer replicas")));
}

TEST(PlanTest, TheKubeletsMessageLimitIsALimit) {
  const Plan plan = Planned(Configured(Shared(7500)), LongNamedGpus(8));
  EXPECT_EQ(share::CountIds(plan.resources[0].advertised), 60'000U);
  const std::string refusal = Refusal(Configured(Shared(9000)), LongNamedGpus(8));
  EXPECT_THAT(refusal, AllOf(HasSubstr("'nvidia.com/gpu'"), HasSubstr("72000 devices"),
                             HasSubstr("4194304"), HasSubstr("fewer replicas")));
  EXPECT_EQ(
      Refusal(Configured(Shared(1'000'000)), LongNamedGpus(8)),
      "resource 'nvidia.com/gpu' would have 8000000 devices, a message of 503111120 bytes when "
      "all are unhealthy; the kubelet refuses more than 4194304: choose fewer replicas");
}

}  // namespace
}  // namespace tranche::plan
