// A small cluster for the tests of `kubectl tranche`: two GPU nodes, one other, two agents, pods.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "apiserver/testing/fake_api.h"
#include "base/testing/real_loop.h"
#include "cli/kubectl/cluster.h"

namespace tranche::cli::kubectl::testing {

class SmallCluster : public ::testing::Test {
 protected:
  SmallCluster() {
    PutNode("gpu-node", R"("nvidia.com/gpu": "8")", R"("nvidia.com/gpu": "8")");
    PutNode("dev-gpu-node", R"("nvidia.com/gpu": "16")", R"("nvidia.com/gpu": "8")");
    PutNode("plain-node", R"("cpu": "4")", R"("cpu": "4")");
    api_.PutLabel("/api/v1/nodes/dev-gpu-node", "nvidia.com/device-plugin.config", "dev");
    PutPlugin("gpu-node");
    PutPlugin("dev-gpu-node");
    PutAgent("gpu-node", AgentStatus("default", 8));
    PutAgent("dev-gpu-node", AgentStatus("dev", 16));
    PutPod("one", "gpu-node", 2, "Running");
    PutPod("two", "gpu-node", 1, "Running");
    PutPod("done", "gpu-node", 4, "Succeeded");
  }

  static base::Json Parse(const std::string& text) {
    auto json = base::Json::Parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.ok() ? *json : base::Json();
  }
  void PutNode(const std::string& name, const std::string& capacity,
               const std::string& allocatable) {
    const std::string path = "/api/v1/nodes/" + name;
    base::Json node = Parse(R"({"metadata": {"labels": {}}, "status": {"conditions": [
        {"type": "Ready", "status": "True"}], "capacity": {)" +
                            capacity + R"(}, "allocatable": {)" + allocatable + "}}}");
    if (const base::Json* old = api_.Find(path)) node.Set("metadata", *old->Find("metadata"));
    api_.Put(path, node);
  }
  void PutPlugin(const std::string& node) {
    api_.Put("/api/v1/namespaces/gpu-operator/pods/plugin-" + node,
             Parse(R"({"metadata": {"labels": {"app": "nvidia-device-plugin-daemonset"}},
                       "spec": {"nodeName": ")" +
                   node + R"(", "volumes": [{"configMap": {"name": "device-plugin-config"}}]},
                       "status": {"conditions": [{"type": "Ready", "status": "True"}]}})"));
  }
  static std::string AgentStatus(const std::string& profile, int devices,
                                 const std::string& more_config = "",
                                 const std::string& degraded = "") {
    return R"({"apiVersion": "tranche.dev/v1", "kind": "AgentStatus", "version": "0.4.0",
        "ready": true, "degraded": [)" +
           degraded + R"(], "config": {"usable": true, "profile": ")" + profile +
           R"(", "source": "/available-configs/)" + profile +
           R"(", "fromLastGood": false, "applied": 1, "rejected": 0, "error": "", "warnings": [])" +
           more_config + R"(}, "driver": {"ready": true, "version": "570.172.08"},
        "gpus": [{"uuid": "GPU-a", "index": "0", "name": "A100", "memoryBytes": 85899345920,
                  "healthy": true, "lost": false, "reason": "", "error": ""},
                 {"uuid": "GPU-b", "index": "1", "name": "A100", "memoryBytes": 85899345920,
                  "healthy": true, "lost": false, "reason": "", "error": ""}],
        "resources": [{"name": "nvidia.com/gpu", "devices": )" +
           std::to_string(devices) + R"(, "healthy": )" + std::to_string(devices) + "}]}";
  }
  static std::string AgentPathOf(const std::string& node, const std::string& path = "/status") {
    return "/api/v1/namespaces/gpu-operator/pods/plugin-" + node + ":9435/proxy" + path;
  }
  void PutAgent(const std::string& node, const std::string& status) {
    api_.PutText(AgentPathOf(node), status);
  }
  void PutPod(const std::string& name, const std::string& node, int gpus,
              const std::string& phase) {
    api_.Put("/api/v1/namespaces/default/pods/" + name,
             Parse(R"({"metadata": {}, "spec": {"nodeName": ")" + node +
                   R"(", "containers": [{"resources": {"limits": {"nvidia.com/gpu": ")" +
                   std::to_string(gpus) + R"("}}}]}, "status": {"phase": ")" + phase + R"("}})"));
  }

  base::testing::RealLoop loop_;
  apiserver::testing::FakeApi api_{*loop_};
  Cluster cluster_{*loop_, api_};
};

}  // namespace tranche::cli::kubectl::testing
