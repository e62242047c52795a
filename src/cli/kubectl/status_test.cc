#include "cli/kubectl/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_read.h"
#include "cli/kubectl/testing/small_cluster.h"

namespace tranche::cli::kubectl {
namespace {

using base::Code;
using base::Json;
using base::Status;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class KubectlStatusTest : public testing::SmallCluster {
 protected:
  Json Collect(const std::vector<std::string>& names = {}) {
    auto status = CollectStatus(cluster_, view_, names);
    EXPECT_TRUE(status.ok()) << status.status().message();
    return status.ok() ? *std::move(status) : Json();
  }
  static Json Node(const Json& status, const std::string& name) {
    for (const Json& node : base::ItemsAt(status, "nodes")) {
      if (base::TextAt(node, "name") == name) return node;
    }
    ADD_FAILURE() << "no node " << name;
    return {};
  }
  static std::vector<std::string> Names(const Json& status) {
    std::vector<std::string> names;
    for (const Json& node : base::ItemsAt(status, "nodes"))
      names.push_back(base::TextAt(node, "name"));
    return names;
  }
  static std::string Show(const Json& status) {
    return ShowClusterStatus(status, Width::kNormal, common::Color::kOff);
  }
  ClusterView view_;
};

TEST_F(KubectlStatusTest, ShowsWhatIsAdvertisedInUseAndInForce) {
  const Json status = Collect();
  EXPECT_THAT(Names(status), ElementsAre("dev-gpu-node", "gpu-node"));
  const Json node = Node(status, "gpu-node");
  const Json& resource = base::ItemsAt(node, "resources").front();
  EXPECT_EQ(base::TextAt(resource, "name"), "nvidia.com/gpu");
  EXPECT_EQ(base::IntAt(resource, "capacity"), 8);
  EXPECT_EQ(base::IntAt(resource, "allocatable"), 8);
  EXPECT_EQ(base::IntAt(resource, "inUse"), 3);
  EXPECT_EQ(base::TextAt(node, {"profile", "inForce"}), "default");
  EXPECT_TRUE(base::ValueAt(node, {"profile", "label"}).is_null());
  EXPECT_EQ(base::TextAt(Node(status, "dev-gpu-node"), {"profile", "label"}), "dev");
  EXPECT_EQ(ClusterStatusExitCode(status), 0);
  EXPECT_EQ(Show(status),
            "NODE          PROFILE  RESOURCE        ADVERTISED  ALLOCATABLE  IN USE  GPUS      "
            "HEALTH   WARNINGS\n"
            "dev-gpu-node  dev      nvidia.com/gpu  16          8            0       2 × A100  "
            "healthy  0\n"
            "gpu-node      default  nvidia.com/gpu  8           8            3       2 × A100  "
            "healthy  0\n");
}

TEST_F(KubectlStatusTest, WideNamesPluginsAndEachGpu) {
  const std::string text = ShowClusterStatus(Collect(), Width::kWide, common::Color::kOff);
  EXPECT_THAT(text, HasSubstr("gpu-operator/plugin-dev-gpu-node  0.4.0    570.172.08"));
  EXPECT_THAT(text, HasSubstr("80.0 GiB  healthy  GPU-b"));
}

TEST_F(KubectlStatusTest, ANamedNodeIsShownWhateverItIs) {
  EXPECT_THAT(Names(Collect({"plain-node"})), ElementsAre("plain-node"));
  EXPECT_THAT(Names(Collect({"gpu-node", "plain-node"})), ElementsAre("gpu-node", "plain-node"));
  EXPECT_EQ(CollectStatus(cluster_, view_, {"nowhere"}).status().code(), Code::kNotFound);
}

TEST_F(KubectlStatusTest, WhatIsNotAsAskedForIsSaidAndInTheExitCode) {
  PutAgent("gpu-node", AgentStatus("default", 8, "", R"("gpu GPU-a: unhealthy: XID 79")"));
  const Json status = Collect();
  EXPECT_EQ(ClusterStatusExitCode(status), 1);
  EXPECT_THAT(Show(status), HasSubstr("Degraded:\n  gpu-node: gpu GPU-a: unhealthy: XID 79\n"));
}

TEST_F(KubectlStatusTest, ALabelThatIsNotInForceIsShownBesideWhatIs) {
  api_.PutLabel("/api/v1/nodes/gpu-node", kProfileLabel, "dve");
  EXPECT_THAT(Show(Collect()), HasSubstr("default (label: dve)"));
}

TEST_F(KubectlStatusTest, AnAgentThatReadsOneFileHasTheLabelsProfile) {
  std::string status = AgentStatus("", 16);
  api_.PutLabel("/api/v1/nodes/gpu-node", kProfileLabel, "train");
  PutAgent("gpu-node", status);
  EXPECT_THAT(Show(Collect()), HasSubstr("gpu-node      train"));
}

TEST_F(KubectlStatusTest, WithoutTheAgentThereIsTheNodesWord) {
  api_.Fail(apiserver::Method::kGet, AgentPathOf("gpu-node"), {Code::kUnavailable, "no route"});
  const Json status = Collect();
  EXPECT_THAT(base::TextsAt(Node(status, "gpu-node"), "notes"), Contains(HasSubstr("no route")));
  EXPECT_THAT(Show(status), AllOf(HasSubstr("nvidia.com/gpu  8"), HasSubstr("?")));
  EXPECT_EQ(ClusterStatusExitCode(status), 0);
}

TEST_F(KubectlStatusTest, AnOlderAgentsReadinessIsTaken) {
  api_.Fail(apiserver::Method::kGet, AgentPathOf("gpu-node"), {Code::kNotFound, "404"});
  api_.PutText(AgentPathOf("gpu-node", "/readyz"),
               R"({"ready": true, "reasons": ["config: none is in force yet"]})");
  const Json node = Node(Collect(), "gpu-node");
  EXPECT_THAT(base::TextsAt(node, "warnings"), ElementsAre("config: none is in force yet"));
  EXPECT_TRUE(base::ValueAt(node, "gpus").is_null());
}

TEST_F(KubectlStatusTest, PodsThatMayNotBeListedAreAQuestionMark) {
  api_.Deny(apiserver::Method::kGet, "/api/v1/pods");
  const Json status = Collect();
  EXPECT_THAT(Names(status), ElementsAre("dev-gpu-node", "gpu-node"));
  const std::string text = Show(status);
  EXPECT_THAT(text, HasSubstr("the plugin's pods cannot be listed: forbidden"));
  EXPECT_THAT(text, HasSubstr("what pods use is not known: forbidden"));
  EXPECT_THAT(text, HasSubstr("nvidia.com/gpu  8           8            ?"));
}

TEST_F(KubectlStatusTest, NodesThatMayNotBeListedAreThoseOfThePods) {
  api_.Deny(apiserver::Method::kGet, "/api/v1/nodes");
  const Json status = Collect();
  EXPECT_THAT(Names(status), ElementsAre("dev-gpu-node", "gpu-node"));
  EXPECT_THAT(Show(status), AllOf(HasSubstr("nodes cannot be listed: forbidden"),
                                  HasSubstr("nvidia.com/gpu  ?           ?            3")));
}

TEST_F(KubectlStatusTest, WithNoRightAtAllThereIsNoAnswer) {
  api_.Deny(apiserver::Method::kGet, "/api/v1");
  EXPECT_EQ(CollectStatus(cluster_, view_, {}).status().code(), Code::kPermissionDenied);
}

TEST_F(KubectlStatusTest, AHostileAgentForgesNoLine) {
  PutAgent("gpu-node", AgentStatus("default", 8, "", R"("x\nNODE \u001b[31m")"));
  EXPECT_THAT(Show(Collect()), Not(HasSubstr("\nNODE \x1b")));
  PutAgent("gpu-node", "no JSON");
  EXPECT_THAT(base::TextsAt(Node(Collect(), "gpu-node"), "notes"), Not(IsEmpty()));
}

TEST_F(KubectlStatusTest, NoGpusAnywhereIsSaid) {
  EXPECT_THAT(ShowClusterStatus(Json::MakeObject(), Width::kNormal, common::Color::kOff),
              HasSubstr("No node has GPUs to share"));
}

TEST_F(KubectlStatusTest, AnInterruptEndsTheWait) {
  api_.SetHanging(true);
  loop_->RunAfter(std::chrono::milliseconds(20), [this] { cluster_.Interrupt(); });
  EXPECT_EQ(CollectStatus(cluster_, view_, {}).status().code(), Code::kCancelled);
}

TEST_F(KubectlStatusTest, ProfilesAreTheKeysOfWhatThePluginMounts) {
  api_.Put(
      "/api/v1/namespaces/gpu-operator/configmaps/device-plugin-config",
      Parse(R"({"metadata": {}, "data": {"dev": "x", "default": "y", "entrypoint.sh": "z"}})"));
  const auto pods = FindPlugins(cluster_, view_, "gpu-node");
  ASSERT_TRUE(pods.ok());
  EXPECT_THAT(ProfilesOf(cluster_, pods->at("gpu-node")), ElementsAre("default", "dev"));
}

TEST_F(KubectlStatusTest, OrOfWhatItsAgentWatches) {
  api_.Put("/api/v1/namespaces/elsewhere/configmaps/profiles",
           Parse(R"({"metadata": {}, "data": {"two": "x", "one": "y"}})"));
  Json agent = Parse(AgentStatus("default", 8));
  agent.Set("kubernetes", Parse(R"({"configMap": "elsewhere/profiles"})"));
  PutAgent("gpu-node", agent.Dump());
  const auto pods = FindPlugins(cluster_, view_, "gpu-node");
  ASSERT_TRUE(pods.ok());
  EXPECT_THAT(ProfilesOf(cluster_, pods->at("gpu-node")), ElementsAre("one", "two"));
}

}  // namespace
}  // namespace tranche::cli::kubectl
