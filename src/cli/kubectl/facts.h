// Reads from the API server's objects what concerns GPUs: counts on nodes, requests of pods, the
// plugin's pods.
//
// Threading: plain functions, safe on any thread.
// Errors: what is missing or of another kind counts as absent; AgentInventory returns a Status. The
// objects are treated as hostile text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/common/defaults.h"
#include "gpu/device.h"

namespace tranche::cli::kubectl {

using common::kProfileLabel;
// Upstream's chart, the operator and ours give their pods this one.
inline constexpr char kPluginSelector[] = "app=nvidia-device-plugin-daemonset";

using Counts = std::map<std::string, std::int64_t>;  // by resource

// A whole number as Kubernetes writes quantities: "16", "2k". Absent for anything else.
std::optional<std::int64_t> WholeQuantity(const std::string& text);

// nvidia.com/… of status.capacity or status.allocatable.
Counts NodeCounts(const base::Json& node, const std::string& field);

// What the scheduler counts for a pod: its containers and side-cars together, or its greatest init
// container. Nothing for one that has ended.
Counts PodRequests(const base::Json& pod);

struct PluginPod {
  std::string space;
  std::string name;
  std::string node;
  bool ready = false;
  bool ending = false;
  std::string created;                   // RFC 3339, sorts
  std::vector<std::string> config_maps;  // mounted, for the names of profiles
  std::vector<std::string> beside;       // others on that node that do not end
  // Our default, or the port of the pod that is called metrics.
  std::int64_t port = common::kAgentPort;
};
// Of each node the one to ask: one that stays rather than one that ends, ready rather than not,
// newer rather than older.
// `port`: where none of a pod's is called metrics.
std::map<std::string, PluginPod> PluginPods(const base::Json::Array& pods,
                                            std::int64_t port = common::kAgentPort);

// The path at which the API server passes a question on to the agent in a pod.
std::string AgentPath(const PluginPod& pod, const std::string& path);

// The devices that an agent says it has, for judging a config: no more than it reports.
base::Result<gpu::Inventory> AgentInventory(const base::Json& agent_status);

}  // namespace tranche::cli::kubectl
