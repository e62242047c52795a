#include "labels/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "config/load.h"

namespace tranche::labels {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

config::Config Config(const std::string& text) {
  auto loaded = config::LoadConfig(text, "test.yaml", {}, {});
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return loaded.ok() ? std::move(loaded->config) : config::Config();
}

std::string Shared(int replicas, const std::string& more = "",
                   const std::string& resource = "nvidia.com/gpu") {
  return "sharing: {timeSlicing: {" + more + "resources: [{name: " + resource +
         ", replicas: " + std::to_string(replicas) + "}]}}\n";
}

gpu::Gpu A100(unsigned index) {
  gpu::Gpu gpu;
  gpu.uuid = "GPU-" + std::to_string(index);
  gpu.index = index;
  gpu.name = "NVIDIA A100-SXM4-80GB";
  gpu.memory_bytes = 81920ULL << 20U;
  gpu.compute_major = 8;
  gpu.mig_capable = true;
  return gpu;
}

gpu::Gpu T4(unsigned index) {
  gpu::Gpu gpu = A100(index);
  gpu.name = "Tesla T4";
  gpu.memory_bytes = 15360ULL << 20U;
  gpu.compute_major = 7;
  gpu.compute_minor = 5;
  gpu.mig_capable = false;
  return gpu;
}

// An A100 cut into so many instances of a profile.
void Cut(gpu::Gpu& gpu, const std::string& profile, unsigned slices, std::uint64_t mib, int count) {
  gpu.mig_enabled = true;
  for (int i = 0; i < count; ++i) {
    gpu::MigDevice mig;
    mig.index = static_cast<int>(gpu.mig_devices.size());
    mig.uuid = "MIG-" + std::to_string(gpu.index) + "-" + std::to_string(mig.index);
    mig.profile = profile;
    mig.gpu_slices = slices;
    mig.compute_slices = slices;
    mig.memory_bytes = mib << 20U;
    mig.multiprocessors = 14 * slices;
    mig.copy_engines = slices;
    mig.decoders = slices - 1;
    gpu.mig_devices.push_back(std::move(mig));
  }
}

gpu::Inventory Node(std::vector<gpu::Gpu> gpus) {
  gpu::Inventory inventory;
  inventory.driver_version = "570.172.08";
  inventory.cuda_major = 12;
  inventory.cuda_minor = 8;
  inventory.gpus = std::move(gpus);
  return inventory;
}

// The labels without their prefix nvidia.com/.
MadeLabels Make(const std::string& config_text, const gpu::Inventory& inventory,
                LabelFacts facts = {.machine = "unknown", .vgpu_known = true}) {
  const config::Config config = Config(config_text);
  const auto plan = plan::BuildPlan(config, inventory);
  MadeLabels made = MakeLabels(config, inventory, plan.ok() ? &*plan : nullptr, facts);
  Labels bare;
  for (const auto& [key, value] : made.labels) {
    constexpr std::string_view kPrefix = "nvidia.com/";
    bare[key.starts_with(kPrefix) ? key.substr(kPrefix.size()) : key] = value;
    EXPECT_TRUE(IsOurLabel(key)) << key;
  }
  made.labels = std::move(bare);
  return made;
}

// What a case says beyond the labels every node has.
Labels Base(Labels more) {
  Labels all{{"cuda.driver-version.full", "570.172.08"},
             {"cuda.driver-version.major", "570"},
             {"cuda.driver-version.minor", "172"},
             {"cuda.driver-version.revision", "08"},
             {"cuda.driver.major", "570"},
             {"cuda.driver.minor", "172"},
             {"cuda.driver.rev", "08"},
             {"cuda.runtime-version.full", "12.8"},
             {"cuda.runtime-version.major", "12"},
             {"cuda.runtime-version.minor", "8"},
             {"cuda.runtime.major", "12"},
             {"cuda.runtime.minor", "8"},
             {"gpu.compute.major", "8"},
             {"gpu.compute.minor", "0"},
             {"gpu.count", "2"},
             {"gpu.family", "ampere"},
             {"gpu.machine", "unknown"},
             {"gpu.memory", "81920"},
             {"gpu.mode", "unknown"},
             {"gpu.product", "NVIDIA-A100-SXM4-80GB"},
             {"gpu.replicas", "1"},
             {"gpu.sharing-strategy", "none"},
             {"mig.capable", "true"},
             {"mps.capable", "false"},
             {"vgpu.present", "false"}};
  for (auto& [key, value] : more) all[key] = value;
  return all;
}

TEST(LabelsTest, WholeGpusAsUpstreamWasSeenToLabelThem) {
  const auto node = Node({A100(0), A100(1)});
  EXPECT_EQ(Make("", node).labels, Base({}));
  EXPECT_EQ(Make(Shared(4), node).labels, Base({{"gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED"},
                                                {"gpu.replicas", "4"},
                                                {"gpu.sharing-strategy", "time-slicing"}}));
  EXPECT_EQ(Make(Shared(4, "renameByDefault: true, "), node).labels,
            Base({{"gpu.replicas", "4"}, {"gpu.sharing-strategy", "time-slicing"}}));
  EXPECT_EQ(Make(Shared(1), node).labels, Base({}));
  EXPECT_EQ(Make(Shared(4, "", "nvidia.com/gpus"), node).labels, Base({}));
  EXPECT_EQ(Make("flags: {migStrategy: single}", node).labels, Base({{"mig.strategy", "single"}}));
  EXPECT_EQ(Make("flags: {migStrategy: mixed}", node).labels, Base({{"mig.strategy", "mixed"}}));
}

TEST(LabelsTest, TheTimestampIsThereWhereItIsWanted) {
  const auto made =
      Make("", Node({}), {.timestamp = "1700000000", .machine = "x", .vgpu_known = true});
  EXPECT_EQ(made.labels, (Labels{{"gfd.timestamp", "1700000000"}, {"vgpu.present", "false"}}));
}

TEST(LabelsTest, NoDevicesIsNearlyNoLabels) {
  EXPECT_EQ(Make("", Node({})).labels, (Labels{{"vgpu.present", "false"}}));
  EXPECT_THAT(Make("", Node({}), {}).labels, IsEmpty());
}

TEST(LabelsTest, GpusCutByMigAreWholeToStrategyNoneAndNeverShared) {
  gpu::Gpu cut = A100(0);
  Cut(cut, "3g.40gb", 3, 40192, 2);
  EXPECT_EQ(Make(Shared(4), Node({cut})).labels, Base({{"gpu.count", "1"}, {"gpu.replicas", "0"}}));
  // A whole GPU of the same model tells for both.
  EXPECT_EQ(Make(Shared(4), Node({cut, A100(1)})).labels,
            Base({{"gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED"},
                  {"gpu.replicas", "4"},
                  {"gpu.sharing-strategy", "time-slicing"}}));
}

Labels MigAttributes(const std::string& resource, Labels values) {
  Labels out;
  for (auto& [suffix, value] : values) out[resource + "." + suffix] = value;
  return out;
}

TEST(LabelsTest, StrategySingleTellsOfTheMigDevices) {
  gpu::Gpu first = A100(0);
  gpu::Gpu second = A100(1);
  Cut(first, "3g.40gb", 3, 40192, 2);
  Cut(second, "3g.40gb", 3, 40192, 2);
  Labels expected = MigAttributes("gpu", {{"memory", "40192"},
                                          {"multiprocessors", "42"},
                                          {"slices.gi", "3"},
                                          {"slices.ci", "3"},
                                          {"engines.copy", "3"},
                                          {"engines.decoder", "2"},
                                          {"engines.encoder", "0"},
                                          {"engines.jpeg", "0"},
                                          {"engines.ofa", "0"}});
  expected["mig.strategy"] = "single";
  expected["gpu.count"] = "4";
  expected["gpu.product"] = "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb";
  const auto node = Node({first, second});
  EXPECT_EQ(Make("flags: {migStrategy: single}", node).labels, Base(expected));
  expected["gpu.product"] += "-SHARED";
  expected["gpu.replicas"] = "2";
  expected["gpu.sharing-strategy"] = "time-slicing";
  EXPECT_EQ(Make("flags: {migStrategy: single}\n" + Shared(2), node).labels, Base(expected));
}

TEST(LabelsTest, StrategySingleOnANodeThatDoesNotSuitItIsInvalid) {
  gpu::Gpu cut = A100(0);
  Cut(cut, "3g.40gb", 3, 40192, 2);
  gpu::Gpu empty = A100(1);
  empty.mig_enabled = true;
  gpu::Gpu two_types = cut;
  Cut(two_types, "1g.10gb", 1, 9728, 1);
  for (const auto& [node, why] :
       {std::pair(Node({cut, A100(1)}), "some have not"), std::pair(Node({cut, empty}), "no MIG"),
        std::pair(Node({two_types}), "more than one type")}) {
    const MadeLabels made = Make("flags: {migStrategy: single}\n" + Shared(4), node);
    EXPECT_EQ(made.labels, Base({{"mig.strategy", "single"},
                                 {"gpu.product", "NVIDIA-A100-SXM4-80GB-MIG-INVALID"},
                                 {"gpu.count", "0"},
                                 {"gpu.replicas", "0"},
                                 {"gpu.sharing-strategy", ""},
                                 {"gpu.memory", "0"}}));
    EXPECT_THAT(made.warnings, ElementsAre(HasSubstr(why)));
  }
}

TEST(LabelsTest, StrategyMixedTellsOfEachProfileByItsOriginalName) {
  gpu::Gpu cut = A100(0);
  Cut(cut, "3g.40gb", 3, 40192, 1);
  Cut(cut, "1g.10gb+me", 1, 9728, 2);
  const std::string strategy = "flags: {migStrategy: mixed}\n";
  Labels labels = Make(strategy + Shared(2, "renameByDefault: true, ", "nvidia.com/mig-1g.10gb.me"),
                       Node({cut, A100(1)}))
                      .labels;
  EXPECT_THAT(labels, Contains(Pair("gpu.count", "2")));
  EXPECT_THAT(labels, Contains(Pair("gpu.replicas", "1")));
  EXPECT_THAT(labels, Contains(Pair("mig-3g.40gb.count", "1")));
  EXPECT_THAT(labels, Contains(Pair("mig-3g.40gb.replicas", "1")));
  EXPECT_THAT(labels, Contains(Pair("mig-3g.40gb.slices.gi", "3")));
  EXPECT_THAT(labels, Contains(Pair("mig-1g.10gb.me.count", "2")));
  EXPECT_THAT(labels, Contains(Pair("mig-1g.10gb.me.replicas", "2")));
  EXPECT_THAT(labels,
              Contains(Pair("mig-1g.10gb.me.product", "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb.me")));
  EXPECT_THAT(labels, Contains(Pair("mig-1g.10gb.me.sharing-strategy", "time-slicing")));
  EXPECT_THAT(labels, Not(Contains(Key(HasSubstr("shared")))));
  labels = Make(strategy + Shared(3, "", "nvidia.com/mig-3g.40gb"), Node({cut})).labels;
  EXPECT_THAT(labels,
              Contains(Pair("mig-3g.40gb.product", "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb-SHARED")));
  EXPECT_THAT(labels, Contains(Pair("gpu.replicas", "0")));
}

TEST(LabelsTest, OfSeveralModelsTheOneWithMostGpusIsToldAndEachByItself) {
  const Labels labels = Make(Shared(2), Node({T4(0), A100(1), A100(2)})).labels;
  EXPECT_EQ(labels, Base({{"gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED"},
                          {"gpu.replicas", "2"},
                          {"gpu.sharing-strategy", "time-slicing"},
                          {"tranche.dev/gpu.models", "2"},
                          {"tranche.dev/gpu.Tesla-T4.count", "1"},
                          {"tranche.dev/gpu.Tesla-T4.memory", "15360"},
                          {"tranche.dev/gpu.NVIDIA-A100-SXM4-80GB.count", "2"},
                          {"tranche.dev/gpu.NVIDIA-A100-SXM4-80GB.memory", "81920"}}));
  // As many of each: the first. Whole ones before cut ones.
  EXPECT_THAT(Make("", Node({T4(0), A100(1)})).labels, Contains(Pair("gpu.product", "Tesla-T4")));
  gpu::Gpu first = A100(0);
  gpu::Gpu second = A100(1);
  Cut(first, "3g.40gb", 3, 40192, 2);
  Cut(second, "3g.40gb", 3, 40192, 2);
  EXPECT_THAT(Make("flags: {migStrategy: mixed}", Node({first, second, T4(2)})).labels,
              Contains(Pair("gpu.product", "Tesla-T4")));
}

TEST(LabelsTest, ModelsWhoseNamesDoNotFitAreToldApart) {
  const std::string longest(70, 'x');
  gpu::Gpu a = A100(0);
  gpu::Gpu b = A100(1);
  gpu::Gpu c = A100(2);
  a.name = longest + "1";
  b.name = longest + "2";
  c.name = "(...)";
  const Labels labels = Make("", Node({a, b, c})).labels;
  const std::string cut(63 - std::string("gpu..memory").size(), 'x');
  EXPECT_THAT(labels, Contains(Key("tranche.dev/gpu." + cut + ".memory")));
  EXPECT_THAT(labels,
              Contains(Key("tranche.dev/gpu." + cut.substr(0, cut.size() - 2) + "-2.memory")));
  EXPECT_THAT(labels, Contains(Key("tranche.dev/gpu.unnamed-2.count")));
  for (const auto& [key, value] : labels) {
    EXPECT_LE(value.size(), 63U) << key;
    EXPECT_LE(key.substr(key.find('/') + 1).size(), 63U) << key;
  }
}

TEST(LabelsTest, ReplicasAreThoseOfThePlanNotOnlyOfTheConfig) {
  const std::string own =
      Shared(4) + "tranche: {resources: [{name: nvidia.com/gpu, replicasPerDevice: {\"0\": 6}}]}\n";
  EXPECT_THAT(Make(own, Node({A100(0), A100(1)})).labels, Contains(Pair("gpu.replicas", "6")));
  const std::string renamed =
      Shared(4) + "tranche: {resources: [{name: nvidia.com/gpu, rename: slice}]}\n";
  EXPECT_THAT(Make(renamed, Node({A100(0)})).labels,
              Contains(Pair("gpu.product", "NVIDIA-A100-SXM4-80GB")));
}

TEST(LabelsTest, ModeFollowsThePciClassOfAllGpus) {
  const auto mode = [](std::vector<std::optional<unsigned>> classes) {
    std::vector<gpu::Gpu> gpus;
    for (const auto pci_class : classes) {
      gpus.push_back(A100(static_cast<unsigned>(gpus.size())));
      gpus.back().pci_class = pci_class;
    }
    return Make("", Node(std::move(gpus))).labels["gpu.mode"];
  };
  EXPECT_EQ(mode({0x030200, 0x030200}), "compute");
  EXPECT_EQ(mode({0x030000}), "graphics");
  EXPECT_EQ(mode({0x030000, 0x030200}), "unknown");
  EXPECT_EQ(mode({0x030200, std::nullopt}), "unknown");
  EXPECT_EQ(mode({0x040300}), "unknown");
}

TEST(LabelsTest, CliqueIsToldWhereAllThatJoinedAreInOne) {
  gpu::Gpu a = A100(0);
  gpu::Gpu b = A100(1);
  a.fabric = {.cluster = "7b968a6d-c8aa-45e1-9e07-e1e51be99c31", .clique = 7};
  EXPECT_THAT(Make("", Node({a, b})).labels,
              Contains(Pair("gpu.clique", "7b968a6d-c8aa-45e1-9e07-e1e51be99c31.7")));
  b.fabric = {.cluster = "7b968a6d-c8aa-45e1-9e07-e1e51be99c31", .clique = 8};
  EXPECT_THAT(Make("", Node({a, b})).labels, Not(Contains(Key("gpu.clique"))));
}

TEST(LabelsTest, VersionsThatMakeNoSenseAreLeftOut) {
  gpu::Inventory node = Node({A100(0)});
  node.driver_version = "570";
  node.cuda_major = 0;
  const MadeLabels made = Make("", node);
  EXPECT_THAT(made.labels, Not(Contains(Key(HasSubstr("cuda")))));
  EXPECT_EQ(made.warnings.size(), 2U);
  node.driver_version = "440.33";
  EXPECT_THAT(Make("", node).labels, Contains(Pair("cuda.driver-version.revision", "")));
}

TEST(LabelsTest, Families) {
  const auto family = [](int major, int minor) {
    gpu::Gpu gpu = A100(0);
    gpu.compute_major = major;
    gpu.compute_minor = minor;
    return Make("", Node({gpu})).labels["gpu.family"];
  };
  for (const auto& [major, minor, name] :
       {std::tuple(3, 5, "kepler"), std::tuple(5, 2, "maxwell"), std::tuple(6, 0, "pascal"),
        std::tuple(7, 0, "volta"), std::tuple(7, 5, "turing"), std::tuple(8, 6, "ampere"),
        std::tuple(8, 9, "ada-lovelace"), std::tuple(9, 0, "hopper"),
        std::tuple(10, 0, "blackwell"), std::tuple(12, 0, "blackwell"), std::tuple(13, 0, "rubin"),
        std::tuple(11, 0, "undefined"), std::tuple(0, 0, "")}) {
    EXPECT_EQ(family(major, minor), name) << major << '.' << minor;
  }
}

TEST(LabelsTest, VgpuGuestsTellOfTheirHost) {
  LabelFacts facts{.machine = "KVM", .vgpu_known = true};
  facts.vgpu = VgpuHost{.driver_version = "460.16", .driver_branch = "r460_00"};
  const Labels labels = Make("", Node({}), facts).labels;
  EXPECT_EQ(labels, (Labels{{"vgpu.present", "true"},
                            {"vgpu.host-driver-version", "460.16"},
                            {"vgpu.host-driver-branch", "r460_00"}}));
}

TEST(SanitiseLabelTest, LeavesWhatALabelMayHave) {
  EXPECT_EQ(SanitiseLabel("NVIDIA A100-SXM4-80GB"), "NVIDIA-A100-SXM4-80GB");
  EXPECT_EQ(SanitiseLabel("  Quadro  RTX\t6000/8000 (x) "), "Quadro-RTX60008000-x");
  EXPECT_EQ(SanitiseLabel("/()"), "");
}

TEST(LabelsTest, AValueThatKubernetesWouldRefuseIsCut) {
  const auto machine = [](const std::string& text) {
    return Make("", Node({A100(0)}), {.machine = text}).labels["gpu.machine"];
  };
  EXPECT_EQ(machine("DGX H100"), "DGX-H100");
  EXPECT_EQ(machine("-Standard PC (Q35)_"), "Standard-PC-Q35");
  EXPECT_EQ(machine(std::string(62, 'a') + " b"), std::string(62, 'a'));
}

TEST(IsOurLabelTest, LeavesTheOperatorsAlone) {
  for (const char* ours : {"nvidia.com/gpu.product", "nvidia.com/mig-1g.10gb.count",
                           "nvidia.com/cuda.driver.major", "tranche.dev/gpu.models"}) {
    EXPECT_TRUE(IsOurLabel(ours)) << ours;
  }
  for (const char* other :
       {"nvidia.com/gpu.deploy.driver", "nvidia.com/gpu.present", "nvidia.com/mig.config",
        "nvidia.com/mig.config.state", "nvidia.com/device-plugin.config", "nvidia.com/gpu",
        "nvidia.com/gpu-driver-upgrade-state", "kubernetes.io/hostname", "gpu.product"}) {
    EXPECT_FALSE(IsOurLabel(other)) << other;
  }
}

TEST(FormatLabelsTest, IsOneLineEach) {
  EXPECT_EQ(FormatLabels({{"b", ""}, {"a", "1"}}), "a=1\nb=\n");
}

}  // namespace
}  // namespace tranche::labels
