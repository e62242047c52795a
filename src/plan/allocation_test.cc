#include "plan/allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/testing/real_loop.h"
#include "config/testing/configs.h"
#include "gpu/testing/inventories.h"

namespace tranche::plan {
namespace {

using config::Override;
using config::testing::Configured;
using config::testing::Flag;
using config::testing::Shared;
using gpu::testing::Cut;
using gpu::testing::Gpus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

using Ids = std::vector<std::string>;

// One resource's allocations under a config on a node.
class Allocator {
 public:
  Allocator(config::Config config, const gpu::Inventory& inventory, NodeFacts facts = {})
      : config_(std::move(config)),
        plan_(BuildPlan(config_, inventory).value()),
        facts_(std::move(facts)) {}

  base::Result<kubelet::ContainerAnswer> Try(const Ids& ids) const {
    return Answer({config_, plan_, plan_.resources.at(0), facts_}, ids);
  }
  kubelet::ContainerAnswer For(const Ids& ids) const {
    auto answer = Try(ids);
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    return answer.ok() ? std::move(*answer) : kubelet::ContainerAnswer();
  }
  std::string Refusal(const Ids& ids) const {
    const auto answer = Try(ids);
    if (answer.ok()) return "accepted";
    EXPECT_EQ(answer.status().code(), base::Code::kUnknown);
    return answer.status().message();
  }

 private:
  config::Config config_;
  Plan plan_;
  NodeFacts facts_;
};

Override Strategy(std::vector<std::string> words) {
  return Flag("device-list-strategy", std::move(words));
}

std::vector<std::string> ContainerPaths(const kubelet::ContainerAnswer& answer) {
  std::vector<std::string> paths;
  for (const kubelet::Mount& mount : answer.mounts) {
    EXPECT_EQ(mount.host_path, "/dev/null");
    EXPECT_FALSE(mount.read_only);
    paths.push_back(mount.container_path);
  }
  return paths;
}

// ---- memory walls ----

constexpr char kShim[] = "tranche.dev/shim=pod";
const std::string kWalled = Shared(2) + "tranche: {memory: {mode: enforce}}\n";

bool Same(const kubelet::ContainerAnswer& a, const kubelet::ContainerAnswer& b) {
  return a.env == b.env && a.annotations == b.annotations && a.cdi_devices == b.cdi_devices &&
         a.mounts.size() == b.mounts.size() && a.devices.size() == b.devices.size();
}

TEST(AllocationTest, AWallBringsItsShimWhateverTheStrategy) {
  for (const Ids& words : {Ids{"envvar"}, Ids{"volume-mounts"}}) {
    const Allocator with(Configured(kWalled, {Strategy(words)}), Gpus(2), {.shim = kShim});
    const Allocator without(Configured(Shared(2), {Strategy(words)}), Gpus(2), {.shim = kShim});
    auto answer = with.For({"GPU-1::0"});
    EXPECT_THAT(answer.cdi_devices, ElementsAre(kShim)) << words[0];
    answer.cdi_devices.clear();
    EXPECT_TRUE(Same(answer, without.For({"GPU-1::0"}))) << "nothing else is another";
  }
  const Allocator cri(Configured(kWalled, {Strategy({"cdi-cri"})}), Gpus(2), {.shim = kShim});
  EXPECT_THAT(cri.For({"GPU-1::0", "GPU-1::1"}).cdi_devices,
              ElementsAre("k8s.device-plugin.nvidia.com/gpu=GPU-1", kShim));
  const Allocator annotation(Configured(kWalled, {Strategy({"cdi-annotations"})}), Gpus(2),
                             {.shim = kShim});
  const auto answer = annotation.For({"GPU-1::0"});
  ASSERT_THAT(answer.annotations, SizeIs(1));
  EXPECT_EQ(answer.annotations.begin()->second,
            "k8s.device-plugin.nvidia.com/gpu=GPU-1,tranche.dev/shim=pod");
  EXPECT_THAT(answer.cdi_devices, IsEmpty()) << "the annotation alone, as for the GPU";
}

TEST(AllocationTest, NoShimWithoutAWallOrWhileNonePublishesIt) {
  for (const Ids& words : {Ids{"envvar"}, Ids{"volume-mounts"}, Ids{"cdi-cri"},
                           Ids{"cdi-annotations"}, Ids{"envvar", "cdi-annotations", "cdi-cri"}}) {
    const Allocator plain(Configured(Shared(2), {Strategy(words)}), Gpus(2));
    const Allocator published(Configured(Shared(2), {Strategy(words)}), Gpus(2), {.shim = kShim});
    EXPECT_TRUE(Same(published.For({"GPU-0::1"}), plain.For({"GPU-0::1"}))) << words[0];
    const Allocator nobody(Configured(kWalled, {Strategy(words)}), Gpus(2));
    EXPECT_TRUE(Same(nobody.For({"GPU-0::1"}), plain.For({"GPU-0::1"}))) << words[0];
  }
}

TEST(AllocationTest, OneDeviceWithAWallIsEnough) {
  const Allocator node(Configured(R"(
tranche:
  resources:
  - {name: nvidia.com/gpu, devices: [1], memory: {mode: enforce, limit: 1Gi}})"),
                       Gpus(3), {.shim = kShim});
  EXPECT_THAT(node.For({"GPU-0", "GPU-2"}).cdi_devices, IsEmpty());
  EXPECT_THAT(node.For({"GPU-0", "GPU-1"}).cdi_devices, ElementsAre(kShim));
}

// ---- strategies ----

TEST(AllocationTest, EnvvarIsTheDefault) {
  const Allocator node(Configured(Shared(2)), Gpus(2));
  const auto answer = node.For({"GPU-1::0"});
  EXPECT_THAT(answer.env, ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "GPU-1")));
  EXPECT_THAT(answer.mounts, IsEmpty());
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.annotations, IsEmpty());
  EXPECT_THAT(answer.cdi_devices, IsEmpty());
}

TEST(AllocationTest, EachDeviceIsNamedOnceInTheOrderAskedFor) {
  const Allocator node(Configured(Shared(4)), Gpus(3));
  EXPECT_EQ(
      node.For({"GPU-2::3", "GPU-0::0", "GPU-2::1", "GPU-0::2"}).env["NVIDIA_VISIBLE_DEVICES"],
      "GPU-2,GPU-0");
}

TEST(AllocationTest, IndicesInsteadOfUuids) {
  const auto index = Flag("device-id-strategy", {"index"});
  const Allocator node(Configured(Shared(2), {index}), Gpus(3));
  EXPECT_EQ(node.For({"GPU-2::0", "GPU-0::1", "GPU-2::1"}).env["NVIDIA_VISIBLE_DEVICES"], "2,0");

  gpu::Inventory inventory = Gpus(2);
  Cut(inventory, 0, {"1g.10gb"});
  Cut(inventory, 1, {"1g.10gb", "1g.10gb"});
  const Allocator mig(Configured("", {index, Flag("mig-strategy", {"single"}),
                                      Strategy({"envvar", "volume-mounts", "cdi-cri"})}),
                      inventory);
  const auto answer = mig.For({"MIG-1-1", "MIG-0-0"});
  EXPECT_THAT(ContainerPaths(answer), ElementsAre("/var/run/nvidia-container-devices/1:1",
                                                  "/var/run/nvidia-container-devices/0:0"));
  EXPECT_THAT(answer.cdi_devices, ElementsAre("k8s.device-plugin.nvidia.com/gpu=1:1",
                                              "k8s.device-plugin.nvidia.com/gpu=0:0"));
}

TEST(AllocationTest, VolumeMountsReplaceTheVariable) {
  for (const auto& words : {Ids{"volume-mounts"}, Ids{"envvar", "volume-mounts"}}) {
    const Allocator node(Configured(Shared(2), {Strategy(words)}), Gpus(2));
    const auto answer = node.For({"GPU-0::0", "GPU-1::0", "GPU-0::1"});
    EXPECT_THAT(answer.env,
                ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "/var/run/nvidia-container-devices")));
    EXPECT_THAT(ContainerPaths(answer), ElementsAre("/var/run/nvidia-container-devices/GPU-0",
                                                    "/var/run/nvidia-container-devices/GPU-1"));
  }
}

TEST(AllocationTest, CdiCriNamesDevicesAndNothingElse) {
  const Allocator node(
      Configured(Shared(2), {Strategy({"cdi-cri"}), Flag("pass-device-specs", {"true"})}), Gpus(2),
      {.control_paths = {"/dev/nvidiactl"}});
  const auto answer = node.For({"GPU-1::1", "GPU-1::0"});
  EXPECT_THAT(answer.cdi_devices, ElementsAre("k8s.device-plugin.nvidia.com/gpu=GPU-1"));
  EXPECT_THAT(answer.env, IsEmpty());
  EXPECT_THAT(answer.devices, IsEmpty()) << "CDI alone says everything";
  EXPECT_THAT(answer.annotations, IsEmpty());
}

TEST(AllocationTest, CdiAnnotationHasAnUnambiguousKey) {
  const Allocator node(Configured("", {Strategy({"cdi-annotations"})}), Gpus(3));
  const auto answer = node.For({"GPU-0", "GPU-2"});
  ASSERT_THAT(answer.annotations, SizeIs(1));
  const auto& [key, value] = *answer.annotations.begin();
  EXPECT_EQ(value, "k8s.device-plugin.nvidia.com/gpu=GPU-0,k8s.device-plugin.nvidia.com/gpu=GPU-2");
  // A UUID of version 4 and RFC 4122's variant; the name below 63 bytes, as Kubernetes wants it.
  const std::string prefix = "cdi.k8s.io/nvidia-device-plugin_";
  ASSERT_TRUE(key.starts_with(prefix)) << key;
  const std::string_view form = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
  const std::string_view id = std::string_view(key).substr(prefix.size());
  ASSERT_EQ(id.size(), form.size()) << key;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const std::string_view allowed = form[i] == 'x'   ? "0123456789abcdef"
                                     : form[i] == 'v' ? "89ab"
                                                      : form.substr(i, 1);
    EXPECT_NE(allowed.find(id[i]), std::string_view::npos) << key << " at " << i;
  }
  EXPECT_THAT(answer.env, IsEmpty());
  EXPECT_THAT(answer.cdi_devices, IsEmpty());
  // The same request, the same key; other devices, another.
  EXPECT_EQ(node.For({"GPU-0", "GPU-2"}).annotations, answer.annotations);
  EXPECT_NE(node.For({"GPU-0"}).annotations.begin()->first, key);
  EXPECT_NE(node.For({"GPU-2", "GPU-0"}).annotations.begin()->first, key);
}

TEST(AllocationTest, AnnotationPrefixCanBeSet) {
  const Allocator node(Configured("", {Strategy({"cdi-annotations"}),
                                       Flag("cdi-annotation-prefix", {"example.com/"})}),
                       Gpus(1));
  EXPECT_THAT(node.For({"GPU-0"}).annotations.begin()->first,
              ::testing::StartsWith("example.com/nvidia-device-plugin_"));
}

TEST(AllocationTest, AllStrategiesTogether) {
  const Allocator node(
      Configured("", {Strategy({"envvar", "volume-mounts", "cdi-annotations", "cdi-cri"})}),
      Gpus(1));
  const auto answer = node.For({"GPU-0"});
  EXPECT_THAT(answer.env,
              ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "/var/run/nvidia-container-devices")));
  EXPECT_THAT(answer.mounts, SizeIs(1));
  EXPECT_THAT(answer.annotations, SizeIs(1));
  EXPECT_THAT(answer.cdi_devices, SizeIs(1));
}

TEST(AllocationTest, TheOtherClassesComeAfterTheGpus) {
  const Allocator node(
      Configured("", {Strategy({"cdi-cri"})}), Gpus(1),
      {.imex_channels = {{.id = "0", .path = "/x"}}, .cdi_classes = {"gdrcopy", "gds", "mofed"}});
  EXPECT_THAT(node.For({"GPU-0"}).cdi_devices,
              ElementsAre("k8s.device-plugin.nvidia.com/gpu=GPU-0",
                          "k8s.device-plugin.nvidia.com/imex-channel=0",
                          "k8s.device-plugin.nvidia.com/gdrcopy=all",
                          "k8s.device-plugin.nvidia.com/gds=all",
                          "k8s.device-plugin.nvidia.com/mofed=all"));
}

TEST(AllocationTest, FlagsOfOtherDriversAreToldWithEveryStrategy) {
  const std::vector<Override> on = {Flag("gdrcopy-enabled", {"true"}),
                                    Flag("gds-enabled", {"true"}), Flag("mofed-enabled", {"true"})};
  for (const char* word : {"envvar", "volume-mounts", "cdi-annotations", "cdi-cri"}) {
    auto flags = on;
    flags.push_back(Strategy({word}));
    auto answer = Allocator(Configured("", flags), Gpus(1)).For({"GPU-0"});
    answer.env.erase("NVIDIA_VISIBLE_DEVICES");
    EXPECT_THAT(answer.env,
                ElementsAre(Pair("NVIDIA_GDRCOPY", "enabled"), Pair("NVIDIA_GDS", "enabled"),
                            Pair("NVIDIA_MOFED", "enabled")))
        << word;
  }
}

// ---- device specs ----

TEST(AllocationTest, DeviceSpecsAreListedOnceEach) {
  const Allocator node(Configured(Shared(4), {Flag("pass-device-specs", {"true"}),
                                              Flag("dev-root", {"/run/nvidia/driver"})}),
                       Gpus(3), {.control_paths = {"/dev/nvidiactl", "/dev/nvidia-uvm"}});
  const auto answer = node.For({"GPU-2::0", "GPU-2::1", "GPU-0::0"});
  std::vector<std::string> inside;
  for (const kubelet::DeviceSpec& device : answer.devices) {
    inside.push_back(device.container_path);
    EXPECT_EQ(device.host_path, "/run/nvidia/driver" + device.container_path);
    EXPECT_EQ(device.permissions, "rw");
  }
  EXPECT_THAT(inside,
              ElementsAre("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia2", "/dev/nvidia0"));
  EXPECT_EQ(answer.env.at("NVIDIA_VISIBLE_DEVICES"), "GPU-2,GPU-0");
}

TEST(AllocationTest, MigDevicesOfOneGpuShareItsNode) {
  gpu::Inventory inventory = Gpus(1);
  Cut(inventory, 0, {"1g.10gb", "1g.10gb"});
  const Allocator node(
      Configured("", {Flag("pass-device-specs", {"true"}), Flag("mig-strategy", {"single"})}),
      inventory);
  std::vector<std::string> paths;
  for (const auto& device : node.For({"MIG-0-0", "MIG-0-1"}).devices) {
    paths.push_back(device.host_path);
  }
  EXPECT_THAT(paths, ElementsAre("/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap001",
                                 "/dev/nvidia-caps/nvidia-cap002", "/dev/nvidia-caps/nvidia-cap011",
                                 "/dev/nvidia-caps/nvidia-cap012"));
}

// ---- IMEX ----

NodeFacts Channels() {
  return {.imex_channels = {{.id = "0", .path = "/dev/nvidia-caps-imex-channels/channel0"},
                            {.id = "3", .path = "/dev/nvidia-caps-imex-channels/channel3"}}};
}

TEST(AllocationTest, ImexChannelsAreInTheEnvironment) {
  const Allocator node(Configured("", {Flag("pass-device-specs", {"true"})}), Gpus(1), Channels());
  const auto answer = node.For({"GPU-0"});
  EXPECT_THAT(answer.env, ElementsAre(Pair("NVIDIA_IMEX_CHANNELS", "0,3"),
                                      Pair("NVIDIA_VISIBLE_DEVICES", "GPU-0")));
  ASSERT_THAT(answer.devices, SizeIs(3));
  EXPECT_EQ(answer.devices[1].container_path, "/dev/nvidia-caps-imex-channels/channel0");
}

TEST(AllocationTest, ImexChannelsAreMounted) {
  const Allocator node(Configured("", {Strategy({"volume-mounts"})}), Gpus(1), Channels());
  const auto answer = node.For({"GPU-0"});
  EXPECT_THAT(ContainerPaths(answer), ElementsAre("/var/run/nvidia-container-devices/GPU-0",
                                                  "/var/run/nvidia-container-devices/imex/0",
                                                  "/var/run/nvidia-container-devices/imex/3"));
  EXPECT_FALSE(answer.env.contains("NVIDIA_IMEX_CHANNELS"));
}

TEST(NodeFactsTest, AMissingImexChannelIsIgnoredUnlessRequired) {
  const base::testing::TempDir root;
  config::Config config = Configured("");
  config.imex.channel_ids = {2047};
  const auto facts = ReadNodeFacts(config, root.path());
  ASSERT_TRUE(facts.ok());
  EXPECT_THAT(facts->imex_channels, IsEmpty());
  config.imex.required = true;
  const auto refused = ReadNodeFacts(config, root.path());
  EXPECT_EQ(refused.status().code(), base::Code::kNotFound);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("requested IMEX channel channel2047 does not exist"));
}

TEST(NodeFactsTest, AFileInTheChannelsPlaceIsNoChannel) {
  const base::testing::TempDir root;
  ASSERT_TRUE(base::WriteFileAtomic(root / "dev/nvidia-caps-imex-channels/channel2047", "").ok());
  config::Config config = Configured("");
  config.imex.channel_ids = {2047};
  EXPECT_THAT(ReadNodeFacts(config, root.path())->imex_channels, IsEmpty());
}

// ---- requests that are refused ----

TEST(AllocationTest, RefusalsHaveUpstreamsText) {
  const Allocator node(Configured(Shared(2, "    failRequestsGreaterThanOne: true\n")), Gpus(2));
  EXPECT_EQ(node.Refusal({"GPU-0::0", "GPU-1::0"}),
            "invalid allocation request for \"nvidia.com/gpu\": invalid request: maximum request "
            "size for shared resources is 1; found 2");
  EXPECT_EQ(node.Refusal({"GPU-0::0"}), "accepted");
  // An unknown device comes first, whatever the size.
  EXPECT_EQ(node.Refusal({"GPU-0::0", "GPU-7::0"}),
            "invalid allocation request for \"nvidia.com/gpu\": invalid request: unknown device: "
            "GPU-7::0");
}

TEST(AllocationTest, TheResourceIsNamedAsItIsAdvertised) {
  const Allocator node(
      Configured(Shared(2, "    renameByDefault: true\n    failRequestsGreaterThanOne: true\n")),
      Gpus(1));
  EXPECT_EQ(node.Refusal({"GPU-0::0", "GPU-0::1"}),
            "invalid allocation request for \"nvidia.com/gpu.shared\": invalid request: maximum "
            "request size for shared resources is 1; found 2");
}

TEST(AllocationTest, WholeDevicesMayBeAskedForTogether) {
  const Allocator node(Configured(Shared(1, "    failRequestsGreaterThanOne: true\n")), Gpus(2));
  EXPECT_EQ(node.Refusal({"GPU-0", "GPU-1"}), "accepted");
}

TEST(AllocationTest, TwoSharesAreGivenWhereTheyAreAllowed) {
  const Allocator node(Configured(Shared(2)), Gpus(2));
  EXPECT_EQ(node.Refusal({"GPU-0::0", "GPU-0::1"}), "accepted");
}

TEST(AllocationTest, IdsThatWereNeverAdvertisedAreUnknown) {
  const Allocator node(Configured(Shared(2)), Gpus(1));
  for (const char* id : {"", "GPU-0", "GPU-0::2", "GPU-0::01", "GPU-0::-1", "GPU-0::+0", "::",
                         "GPU-0::", "GPU-0::99999999999999999999", "GPU-0::0::0", "../../etc"}) {
    EXPECT_EQ(node.Refusal({id}),
              std::string("invalid allocation request for \"nvidia.com/gpu\": invalid request: "
                          "unknown device: ") +
                  id);
  }
  const Allocator whole(Configured(""), Gpus(1));
  EXPECT_THAT(whole.Refusal({"GPU-0::0"}), HasSubstr("unknown device: GPU-0::0"));
}

TEST(AllocationTest, AnEmptyRequestSeesNothing) {
  const Allocator node(Configured(""), Gpus(1));
  EXPECT_THAT(node.For({}).env, ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "")));
  const Allocator cdi(Configured("", {Strategy({"cdi-annotations", "cdi-cri"})}), Gpus(1));
  EXPECT_THAT(cdi.For({}).annotations, IsEmpty());
  EXPECT_THAT(cdi.For({}).cdi_devices, IsEmpty());
}

}  // namespace
}  // namespace tranche::plan
