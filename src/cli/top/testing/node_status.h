// A NodeStatus document for tests: a busy GPU with three pods, and one cut by MIG.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "cli/top/use.h"

namespace tranche::cli::top::testing {

// Seconds of the wall clock at which it was told.
inline constexpr double kNow = 1'000'000;

inline std::string NodeStatusText() {
  return R"({"apiVersion": "tranche.dev/v1", "kind": "NodeStatus", "version": "0.4.0",
    "nodeName": "gpu-node", "ready": true, "degraded": [], "fresh": true,
    "grants": {"known": true, "error": ""},
    "devices": [
      {"uuid": "GPU-a", "index": "0", "gpu": "GPU-a", "model": "NVIDIA A100-SXM4-80GB",
       "migProfile": null, "health": "Healthy", "healthReason": "",
       "memoryBytes": 85899345920, "memoryUsedBytes": 45097156608, "busyPercent": 87.04,
       "contendedPercent": 12, "powerWatts": 312.4, "powerLimitWatts": 400,
       "temperatureCelsius": 61, "resource": "nvidia.com/gpu",
       "replicas": {"advertised": 4, "held": 3, "free": 1}, "unmeasured": "",
       "rest": {"memoryBytes": 1073741824, "gpuSeconds": 1, "energyJoules": 2, "processes": 2},
       "pods": [
         {"namespace": "team-b", "pod": "notebook", "container": "jupyter", "uid": "u2",
          "memoryBytes": 10737418240, "memoryLimitBytes": null, "wouldRefuse": null,
          "processes": 1, "granted": true, "replicas": 1, "gpuSeconds": 5.25, "busyPercent": 0,
          "energyJoules": 900.4, "lastActive": 999280},
         {"namespace": "team-a", "pod": "train-0", "container": "main", "uid": "u1",
          "memoryBytes": 32212254720, "memoryLimitBytes": 21474836480, "wouldRefuse": 2,
          "processes": 4, "granted": true, "replicas": 2, "gpuSeconds": 1234.5,
          "busyPercent": 61.2, "energyJoules": 99000, "lastActive": 1000000},
         {"namespace": "default", "pod": "stranger", "container": "", "uid": "u3",
          "memoryBytes": 1048576, "processes": 1, "granted": false, "replicas": 0,
          "busyPercent": 25.8, "lastActive": 1000000}]},
      {"uuid": "MIG-b", "index": "1:0", "gpu": "GPU-b", "model": "NVIDIA A100-SXM4-80GB",
       "migProfile": "1g.10gb", "health": "Unhealthy", "healthReason": "XID 79",
       "memoryBytes": 10737418240, "memoryUsedBytes": 0, "busyPercent": null,
       "unmeasured": "mig", "pods": []}]})";
}

inline base::Json NodeStatus() {
  auto json = base::Json::Parse(NodeStatusText());
  EXPECT_TRUE(json.ok());
  return json.ok() ? *json : base::Json();
}

// Of two of its pods: one that keeps to none, and one that has had no program yet.
inline base::Json Walls() {
  auto json = base::Json::Parse(R"([
    {"namespace": "team-a", "pod": "train-0", "uid": "u1", "device": "GPU-a",
     "limitBytes": 42949672960, "usedBytes": 10737418240, "contextBytes": 536870912,
     "refusals": 7, "programs": 1, "passedThrough": 0, "walled": false, "reason": "musl",
     "why": "its image has musl for a C library", "ledgerMismatch": true},
    {"namespace": "team-b", "pod": "notebook", "uid": "", "device": "GPU-a",
     "limitBytes": 21474836480, "usedBytes": 0, "contextBytes": 0, "refusals": 0, "programs": 0,
     "passedThrough": 0, "walled": null, "reason": "", "why": "", "ledgerMismatch": false}])");
  EXPECT_TRUE(json.ok());
  return json.ok() ? *json : base::Json();
}

inline NodeUse Node(const base::Json& status = NodeStatus()) {
  auto node = ReadNodeUse(status);
  EXPECT_TRUE(node.ok()) << node.status().message();
  if (!node.ok()) return {};
  SortPods(*node, Sort::kBusy);
  return *node;
}

}  // namespace tranche::cli::top::testing
