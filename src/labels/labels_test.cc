#include "labels/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "labels/testing/made_labels.h"

namespace tranche::labels {
namespace {

using testing::A100;
using testing::Base;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using testing::Make;
using ::testing::MatchesRegex;
using testing::Node;
using ::testing::Not;
using ::testing::Pair;
using testing::Shared;

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

TEST(LabelsTest, VgpuGuestsTellOfTheirHost) {
  LabelFacts facts{.machine = "KVM", .vgpu_known = true};
  facts.vgpu = VgpuHost{.driver_version = "460.16", .driver_branch = "r460_00"};
  const Labels labels = Make("", Node({}), facts).labels;
  EXPECT_EQ(labels, (Labels{{"vgpu.present", "true"},
                            {"vgpu.host-driver-version", "460.16"},
                            {"vgpu.host-driver-branch", "r460_00"}}));
}

TEST(LabelsTest, AValueThatKubernetesWouldRefuseIsChanged) {
  const auto machine = [](const std::string& text) {
    return Make("", Node({A100(0)}), {.machine = text}).labels["gpu.machine"];
  };
  EXPECT_EQ(machine("DGX H100"), "DGX-H100");
  EXPECT_EQ(machine("-Standard PC (Q35)_"), "Standard-PC-Q35");
  EXPECT_EQ(machine(std::string(61, 'a') + " b"), std::string(61, 'a') + "-b");
  EXPECT_THAT(machine(std::string(62, 'a') + " b"), MatchesRegex("a+-[0-9a-f]{8}-a*-b"));
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
