#include "cli/kubectl/use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_read.h"
#include "cli/kubectl/testing/small_cluster.h"
#include "cli/top/testing/node_status.h"

namespace tranche::cli::kubectl {
namespace {

using apiserver::Method;
using base::Code;
using base::Json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNow = top::testing::kNow;

class KubectlUseTest : public testing::SmallCluster {
 protected:
  KubectlUseTest() {
    PutProgram("gpu-node");
    PutProgram("dev-gpu-node");
    Says("gpu-node", top::testing::NodeStatus());
    Says("dev-gpu-node", Parse(R"({"apiVersion": "tranche.dev/v1", "kind": "NodeStatus",
        "nodeName": "not its name", "ready": true, "fresh": true, "degraded": [],
        "devices": [{"uuid": "GPU-c", "index": "0", "model": "H100", "busyPercent": 95,
          "pods": [{"namespace": "team-a", "pod": "infer", "container": "c", "uid": "u9",
                    "busyPercent": 94.5, "memoryBytes": 1073741824, "granted": true,
                    "processes": 1, "replicas": 1, "lastActive": 1000000}]}]})"));
  }
  void PutProgram(const std::string& node, const std::string& more = "") {
    api_.Put("/api/v1/namespaces/gpu-operator/pods/tranche-node-" + node,
             Parse(R"({"metadata": {"labels": {"app": "tranche-node"}},
                       "spec": {"nodeName": ")" +
                   node + "\"" + more +
                   R"(}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})"));
  }
  static std::string PathOf(const std::string& node, int port = 9436) {
    return "/api/v1/namespaces/gpu-operator/pods/tranche-node-" + node + ":" +
           std::to_string(port) + "/proxy/status";
  }
  void Says(const std::string& node, const Json& status) {
    api_.PutText(PathOf(node), status.Dump());
  }
  ClusterUse Collect(const UseOptions& options = {}) {
    auto use = CollectUse(cluster_, options);
    EXPECT_TRUE(use.ok()) << use.status().message();
    return use.ok() ? *std::move(use) : ClusterUse{};
  }
  base::Status Refusal(const UseOptions& options = {}) {
    return CollectUse(cluster_, options).status();
  }
};

TEST_F(KubectlUseTest, TopShowsGpusAndPodsOfAllNodesByUse) {
  EXPECT_EQ(ShowTop(Collect(), {}, {.now = kNow}),
            "NODE          GPU  MODEL                          HEALTH     BUSY     MEMORY         "
            "POWER      TEMP   REPLICAS     PODS\n"
            "dev-gpu-node  0    H100                           -          95.0 %   -              "
            "-          -      -            1\n"
            "gpu-node      0    NVIDIA A100-SXM4-80GB          Healthy    87.0 %   42.0/80.0 GiB  "
            "312/400 W  61 °C  3 of 4 held  3\n"
            "gpu-node      1:0  NVIDIA A100-SXM4-80GB 1g.10gb  Unhealthy  - (mig)  0.0/10.0 GiB   "
            "-          -      -            0\n"
            "\n"
            "NODE          GPU  NAMESPACE  POD       CONTAINER  BUSY    MEMORY    LIMIT     PROCS  "
            "IDLE    FLAGS\n"
            "dev-gpu-node  0    team-a     infer     c          94.5 %  1.0 GiB   -         1      "
            "busy    -\n"
            "gpu-node      0    team-a     train-0   main       61.2 %  30.0 GiB  20.0 GiB  4      "
            "busy    over limit\n"
            "gpu-node      0    default    stranger  -          25.8 %  1 MiB     -         1      "
            "busy    not granted\n"
            "gpu-node      0    team-b     notebook  jupyter    0.0 %   10.0 GiB  -         1      "
            "12 min  -\n");
}

TEST_F(KubectlUseTest, PodsShowsWhoSharesWhichGpu) {
  EXPECT_EQ(
      ShowPods(Collect(), {.sort = top::Sort::kName}, {.now = kNow}),
      "NODE          GPU  NAMESPACE  POD       CONTAINER  REPLICAS  BUSY    MEMORY         "
      "SHARED WITH                        FLAGS\n"
      "dev-gpu-node  0    team-a     infer     c          1         94.5 %  1.0 GiB        -  "
      "                                -\n"
      "gpu-node      0    default    stranger  -          0         25.8 %  1 MiB          "
      "team-a/train-0, team-b/notebook    not granted\n"
      "gpu-node      0    team-a     train-0   main       2         61.2 %  30.0/20.0 GiB  "
      "default/stranger, team-b/notebook  over limit\n"
      "gpu-node      0    team-b     notebook  jupyter    1         0.0 %   10.0 GiB       "
      "default/stranger, team-a/train-0   -\n");
}

TEST_F(KubectlUseTest, OnlyPodsOfANamespaceAndWhomTheyShareWith) {
  const UseOptions team{.pod_namespace = "team-b"};
  const ClusterUse use = Collect(team);
  EXPECT_THAT(ShowTop(use, team, {.now = kNow}),
              AllOf(HasSubstr("notebook"), HasSubstr("87.0 %"), Not(HasSubstr("train-0"))));
  EXPECT_THAT(ShowPods(use, team, {.now = kNow}),
              AllOf(HasSubstr("default/stranger, team-a/train-0"), Not(HasSubstr("infer"))));
  const Json items = PodsDocument(use, team);
  ASSERT_EQ(base::ItemsAt(items, "items").size(), 1U);
  const std::string document = TopDocument(use, team).Dump();
  EXPECT_THAT(document, AllOf(HasSubstr("notebook"), Not(HasSubstr("train-0"))));
  const UseOptions nobody{.pod_namespace = "empty"};
  EXPECT_THAT(ShowPods(use, nobody, {}), HasSubstr("No pod uses a GPU in namespace empty.\n"));
}

TEST_F(KubectlUseTest, DocumentsAreWhatTheNodesSay) {
  const ClusterUse use = Collect();
  const Json document = TopDocument(use, {});
  EXPECT_EQ(base::TextAt(document, "kind"), "ClusterUse");
  const Json::Array& nodes = base::ItemsAt(document, "nodes");
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(base::TextAt(nodes[1], "name"), "gpu-node");
  EXPECT_EQ(base::ValueAt(nodes[1], "status"), top::testing::NodeStatus());

  const Json pods = PodsDocument(use, {});
  EXPECT_EQ(base::TextAt(pods, "kind"), "GpuPodList");
  const Json::Array& items = base::ItemsAt(pods, "items");
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(base::TextAt(items[0], "node"), "dev-gpu-node");
  EXPECT_EQ(base::TextAt(items[2], "pod"), "train-0");
  EXPECT_EQ(base::TextAt(items[2], "uuid"), "GPU-a");
  EXPECT_EQ(base::NumberAt(items[2], "wouldRefuse"), 2);
  EXPECT_THAT(base::TextsAt(items[2], "sharedWith"),
              ElementsAre("default/stranger", "team-b/notebook"));
}

TEST_F(KubectlUseTest, WallsAreInTablesAndDocuments) {
  Json status = top::testing::NodeStatus();
  status.Set("memoryWalls", top::testing::Walls());
  status.Set("waiting", Json::MakeArray({Json::MakeObject({{"namespace", "team-b"}})}));
  Says("gpu-node", status);
  const ClusterUse use = Collect();
  EXPECT_THAT(ShowPods(use, {}, {.now = kNow}),
              AllOf(HasSubstr("MEMORY         WALL      SHARED WITH"), HasSubstr("no: musl"),
                    HasSubstr("30.0/40.0 GiB")));
  const Json pods = PodsDocument(use, {});
  const Json::Array& items = base::ItemsAt(pods, "items");
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(base::TextAt(items[2], {"wall", "reason"}), "musl");
  EXPECT_TRUE(base::ValueAt(items[0], "wall").is_null());
  const UseOptions team{.pod_namespace = "team-b"};
  const Json shown = base::ValueAt(base::ItemsAt(TopDocument(use, team), "nodes")[1], "status");
  EXPECT_EQ(base::ItemsAt(shown, "memoryWalls").size(), 1U) << "not those of others";
  EXPECT_EQ(base::ItemsAt(shown, "waiting").size(), 1U);
  const Json other = base::ValueAt(
      base::ItemsAt(TopDocument(use, {.pod_namespace = "else"}), "nodes")[1], "status");
  EXPECT_EQ(base::ItemsAt(other, "memoryWalls").size(), 0U);
  EXPECT_EQ(base::ItemsAt(other, "waiting").size(), 0U);
}

TEST_F(KubectlUseTest, NamesAreEachPodOnce) {
  EXPECT_EQ(ShowNames(Collect(), {.sort = top::Sort::kMemory}),
            "pod/train-0\npod/notebook\npod/infer\npod/stranger\n");
}

TEST_F(KubectlUseTest, OnlyNamedNodesAreAsked) {
  const ClusterUse use = Collect({.nodes = {"gpu-node"}});
  ASSERT_EQ(use.nodes.size(), 1U);
  EXPECT_EQ(api_.Count(Method::kGet, PathOf("dev-gpu-node")), 0);
  EXPECT_EQ(Collect({.nodes = {"dev-gpu-node", "gpu-node"}}).nodes.size(), 2U);
  const ClusterUse part = Collect({.nodes = {"gpu-node", "plain-node"}});
  EXPECT_THAT(part.warnings, ElementsAre("node plain-node: no pod of tranche node runs there"));
  EXPECT_EQ(ClusterUseExitCode(part), 1);
  EXPECT_THAT(Refusal({.nodes = {"plain-node"}}).message(), HasSubstr("plain-node"));
}

TEST_F(KubectlUseTest, ThePortIsTheOneThatThePodNames) {
  PutProgram("gpu-node",
             R"(, "containers": [{"ports": [{"name": "metrics", "containerPort": 9999}]}])");
  api_.PutText(PathOf("gpu-node", 9999), top::testing::NodeStatus().Dump());
  api_.Fail(Method::kGet, PathOf("gpu-node"), {Code::kUnavailable, "nobody listens"});
  EXPECT_EQ(Collect().nodes.size(), 2U);
}

TEST_F(KubectlUseTest, TheOtherNodesAreShownWhereOneIsAway) {
  api_.Fail(Method::kGet, PathOf("gpu-node"), {Code::kUnavailable, "no route to host"});
  const ClusterUse use = Collect();
  EXPECT_THAT(use.warnings,
              ElementsAre("node gpu-node: pod gpu-operator/tranche-node-gpu-node does not answer: "
                          "no route to host"));
  EXPECT_EQ(ClusterUseExitCode(use), 1);
  EXPECT_THAT(ShowTop(use, {}, {}), AllOf(HasSubstr("infer"), Not(HasSubstr("train-0"))));
  EXPECT_THAT(base::TextsAt(PodsDocument(use, {}), "warnings"),
              Contains(HasSubstr("no route to host")));
}

TEST_F(KubectlUseTest, WhatIsNoNodeStatusIsNoAnswer) {
  api_.PutText(PathOf("gpu-node"), "<html>");
  EXPECT_THAT(Collect().warnings, ElementsAre(HasSubstr("node gpu-node: ")));
  api_.PutText(PathOf("gpu-node"), R"({"kind": "AgentStatus"})");
  EXPECT_THAT(Collect().warnings, ElementsAre(HasSubstr("no NodeStatus")));
}

TEST_F(KubectlUseTest, ADegradedNodeIsSaidAndInTheExitCode) {
  EXPECT_EQ(ClusterUseExitCode(Collect()), 0);
  Json status = top::testing::NodeStatus();
  status.Set("degraded", Json::MakeTexts({"gpu GPU-a: lost\nx"}));
  Says("gpu-node", status);
  const ClusterUse use = Collect();
  EXPECT_EQ(ClusterUseExitCode(use), 1);
  EXPECT_THAT(ShowTop(use, {}, {}), HasSubstr("\nDegraded:\n  gpu-node: gpu GPU-a: lost\\nx\n"));
  EXPECT_THAT(ShowPods(use, {}, {}), HasSubstr("\nDegraded:\n"));
}

TEST_F(KubectlUseTest, ARightThatIsMissingIsNamed) {
  api_.Deny(Method::kGet, PathOf("gpu-node"));
  EXPECT_THAT(Collect().warnings,
              ElementsAre(HasSubstr("the right to get pods/proxy in namespace gpu-operator")));
  api_.Deny(Method::kGet, PathOf("dev-gpu-node"));
  EXPECT_THAT(Refusal().message(), HasSubstr("the right to get pods/proxy"));

  api_.Deny(Method::kGet, "/api/v1/pods");
  EXPECT_EQ(Refusal().code(), Code::kPermissionDenied);
  EXPECT_THAT(Refusal().message(), HasSubstr("the right to list pods in all namespaces"));
}

TEST_F(KubectlUseTest, OneNamespaceIsEnough) {
  api_.Deny(Method::kGet, "/api/v1/pods");
  EXPECT_EQ(Collect({.tranche_namespace = "gpu-operator"}).nodes.size(), 2U);
  EXPECT_THAT(Refusal({.tranche_namespace = "default"}).message(),
              AllOf(HasSubstr("no pod of tranche node runs in namespace default"),
                    HasSubstr("node.enabled=true")));
}

TEST_F(KubectlUseTest, AnInterruptEndsTheWait) {
  api_.SetHanging(true);
  loop_->RunAfter(std::chrono::milliseconds(20), [this] { cluster_.Interrupt(); });
  EXPECT_EQ(Refusal().code(), Code::kCancelled);
}

}  // namespace
}  // namespace tranche::cli::kubectl
