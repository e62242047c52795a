#include "cli/kubectl/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::kubectl {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Json Parse(const std::string& text) {
  auto json = Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : Json();
}

TEST(WholeQuantityTest, ReadsWhatKubernetesWrites) {
  EXPECT_EQ(WholeQuantity("16"), 16);
  EXPECT_EQ(WholeQuantity("0"), 0);
  EXPECT_EQ(WholeQuantity("2k"), 2000);
  EXPECT_EQ(WholeQuantity("1Ki"), 1024);
  for (const char* text : {"", "-1", "1.5", "16 ", "5m", "99999999999", "1e3", "x"}) {
    EXPECT_EQ(WholeQuantity(text), std::nullopt) << text;
  }
}

TEST(NodeCountsTest, TakesGpusAndNothingElse) {
  const Json node = Parse(R"({"status": {"capacity": {"cpu": "8", "nvidia.com/gpu": "16",
      "nvidia.com/mig-1g.10gb": "7", "nvidia.com/odd": 3}, "allocatable": {"nvidia.com/gpu": "8"}}})");
  EXPECT_THAT(NodeCounts(node, "capacity"),
              ElementsAre(Pair("nvidia.com/gpu", 16), Pair("nvidia.com/mig-1g.10gb", 7)));
  EXPECT_THAT(NodeCounts(node, "allocatable"), ElementsAre(Pair("nvidia.com/gpu", 8)));
  EXPECT_THAT(NodeCounts(Json(), "capacity"), IsEmpty());
}

Json Pod(const std::string& spec, const std::string& phase = "Running") {
  return Parse(R"({"spec": )" + spec + R"(, "status": {"phase": ")" + phase + R"("}})");
}
std::string Container(const std::string& field, int count, const std::string& more = "") {
  return R"({"resources": {")" + field + R"(": {"nvidia.com/gpu": ")" + std::to_string(count) +
         R"("}})" + more + "}";
}

TEST(PodRequestsTest, ContainersAddUpAndInitContainersDoNot) {
  const std::string two = Container("limits", 1) + "," + Container("requests", 2);
  EXPECT_THAT(PodRequests(Pod(R"({"containers": [)" + two + "]}")),
              ElementsAre(Pair("nvidia.com/gpu", 3)));
  EXPECT_THAT(PodRequests(Pod(R"({"containers": [)" + two + R"(], "initContainers": [)" +
                              Container("limits", 2) + "]}")),
              ElementsAre(Pair("nvidia.com/gpu", 3)));
  EXPECT_THAT(PodRequests(Pod(R"({"containers": [)" + two + R"(], "initContainers": [)" +
                              Container("limits", 5) + "]}")),
              ElementsAre(Pair("nvidia.com/gpu", 5)));
}

TEST(PodRequestsTest, SideCarsStayBesideWhatComesAfterThem) {
  const std::string side_car = Container("limits", 1, R"(, "restartPolicy": "Always")");
  EXPECT_THAT(
      PodRequests(Pod(R"({"containers": [)" + Container("limits", 1) + R"(], "initContainers": [)" +
                      side_car + "," + Container("limits", 4) + "]}")),
      ElementsAre(Pair("nvidia.com/gpu", 5)));
}

TEST(PodRequestsTest, AnEndedPodUsesNothing) {
  const std::string spec = R"({"containers": [)" + Container("limits", 1) + "]}";
  EXPECT_THAT(PodRequests(Pod(spec, "Succeeded")), IsEmpty());
  EXPECT_THAT(PodRequests(Pod(spec, "Failed")), IsEmpty());
  EXPECT_THAT(PodRequests(Pod(spec, "Pending")), ElementsAre(Pair("nvidia.com/gpu", 1)));
  EXPECT_THAT(PodRequests(Json("no pod")), IsEmpty());
}

Json PluginPodJson(const std::string& name, const std::string& created, bool ready, bool ending) {
  return Parse(R"({"metadata": {"name": ")" + name +
               R"(", "namespace": "gpu-operator", "creationTimestamp": ")" + created + R"(")" +
               (ending ? R"(, "deletionTimestamp": "2026-01-01T00:00:00Z")" : "") +
               R"(}, "spec": {"nodeName": "n", "volumes": [{"name": "v",
                  "configMap": {"name": "device-plugin-config"}}, {"name": "e", "emptyDir": {}}]},
                 "status": {"conditions": [{"type": "Ready", "status": ")" +
               (ready ? "True" : "False") + R"("}]}})");
}

TEST(PluginPodsTest, OfTwoOnANodeTheOneThatStaysIsAsked) {
  const Json old_one = PluginPodJson("old", "2026-01-01T00:00:00Z", true, false);
  const Json new_one = PluginPodJson("new", "2026-01-02T00:00:00Z", true, false);
  const Json starting = PluginPodJson("starting", "2026-01-03T00:00:00Z", false, false);
  const Json ending = PluginPodJson("ending", "2026-01-04T00:00:00Z", true, true);
  const auto best = [](const Json::Array& pods) { return PluginPods(pods).at("n").name; };
  EXPECT_EQ(best({old_one, new_one}), "new");
  EXPECT_EQ(best({new_one, old_one}), "new");
  EXPECT_EQ(best({old_one, starting}), "old");
  EXPECT_EQ(best({ending, starting}), "starting");
  const auto beside = [](const Json::Array& pods) { return PluginPods(pods).at("n").beside; };
  EXPECT_THAT(beside({old_one, new_one, starting, ending}),
              UnorderedElementsAre("old", "starting"));
  EXPECT_THAT(beside({ending, starting, new_one}), ElementsAre("starting"));
  EXPECT_THAT(PluginPods({old_one}).at("n").config_maps, ElementsAre("device-plugin-config"));
  EXPECT_THAT(PluginPods({Json(), Json("x")}), IsEmpty());
}

TEST(AgentPathTest, LeadsThroughTheApiServer) {
  EXPECT_EQ(AgentPath({.space = "gpu-operator", .name = "p-1"}, "/status"),
            "/api/v1/namespaces/gpu-operator/pods/p-1:9435/proxy/status");
}

TEST(AgentPathTest, AtThePortThatThePodNames) {
  const auto pods = PluginPods({Parse(R"({"metadata": {"name": "p-1", "namespace": "s"},
      "spec": {"nodeName": "n", "containers": [{"ports": [{"name": "web", "containerPort": 80},
      {"name": "metrics", "containerPort": 19435}]}]}})")});
  EXPECT_EQ(AgentPath(pods.at("n"), "/status"), "/api/v1/namespaces/s/pods/p-1:19435/proxy/status");
}

TEST(AgentInventoryTest, GpusAndTheirMigDevices) {
  const auto inventory = AgentInventory(Parse(R"({"driver": {"version": "570.1"}, "gpus": [
      {"uuid": "GPU-a", "index": "0", "name": "A100", "memoryBytes": 85899345920, "error": ""},
      {"uuid": "MIG-a", "index": "0:0", "name": "1c.2g.20gb", "memoryBytes": 1},
      {"uuid": "MIG-b", "index": "0:1", "name": "1g.10gb+me", "memoryBytes": 1},
      {"uuid": "GPU-b", "index": "1", "name": "A100"},
      {"uuid": "GPU-c", "index": "2", "error": "the driver would not tell"},
      {"uuid": "x", "index": "x"}, 5]})"));
  ASSERT_TRUE(inventory.ok());
  EXPECT_EQ(inventory->driver_version, "570.1");
  ASSERT_EQ(inventory->gpus.size(), 2U);
  const gpu::Gpu& gpu = inventory->gpus[0];
  EXPECT_EQ(gpu.memory_bytes, 85899345920U);
  EXPECT_TRUE(gpu.mig_enabled);
  ASSERT_EQ(gpu.mig_devices.size(), 2U);
  EXPECT_EQ(gpu.mig_devices[0].gpu_slices, 2U);
  EXPECT_EQ(gpu.mig_devices[0].compute_slices, 1U);
  EXPECT_EQ(gpu.mig_devices[1].gpu_slices, 1U);
  EXPECT_EQ(gpu.mig_devices[1].compute_slices, 1U);
  EXPECT_FALSE(inventory->gpus[1].mig_enabled);
  EXPECT_FALSE(AgentInventory(Parse(R"({"ready": true})")).ok());
}

}  // namespace
}  // namespace tranche::cli::kubectl
