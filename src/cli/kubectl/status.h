// `kubectl tranche status`: the GPUs of a cluster's nodes as one document, and as tables of it.
//
// Threading: one thread.
// Errors: what the user may not ask is left out and noted. Only a user who may ask nothing at all
// gets no answer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/common/table.h"
#include "cli/kubectl/cluster.h"
#include "cli/kubectl/facts.h"

namespace tranche::cli::kubectl {

struct ClusterView {
  std::string plugin_namespace;  // "": wherever pods with the plugin's label are
  std::string node_label = kProfileLabel;
};

// The plugin's pods; `node` "" for all.
base::Result<std::map<std::string, PluginPod>> FindPlugins(Cluster& cluster,
                                                           const ClusterView& view,
                                                           const std::string& node);

// What an agent says of itself: its status, or from one that does not tell that, its readiness.
base::Result<base::Json> AskAgent(Cluster& cluster, const PluginPod& pod);

// The names in the ConfigMaps that a plugin's pod mounts, or its agent watches; none where they may
// not be read.
std::vector<std::string> ProfilesOf(Cluster& cluster, const PluginPod& pod);

// {"apiVersion": "tranche.dev/v1", "kind": "ClusterStatus", "nodes": […], "notes": […]}; without
// `names` every node that has to do with GPUs. A named node that is not there is an error.
base::Result<base::Json> CollectStatus(Cluster& cluster, const ClusterView& view,
                                       const std::vector<std::string>& names);

enum class Width { kNormal, kWide };
std::string ShowClusterStatus(const base::Json& status, Width width, cli::common::Color color);

// 0 where nothing is degraded, else 1.
int ClusterStatusExitCode(const base::Json& status);

}  // namespace tranche::cli::kubectl
