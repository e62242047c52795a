// `kubectl tranche top` and `kubectl tranche pods`: who uses the GPUs of a cluster's nodes, from
// what `tranche node` says on each of them.
//
// Threading: one thread.
// Errors: a node that does not answer is left out, with a warning that says why and, where a right
// is missing, which. Only where no node answers at all there is no answer.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/common/table.h"
#include "cli/kubectl/cluster.h"
#include "cli/kubectl/facts.h"
#include "cli/top/use.h"

namespace tranche::cli::kubectl {

// Of the pods of the chart's DaemonSet.
inline constexpr char kNodeProgramSelector[] = "app=tranche-node";

struct UseOptions {
  std::vector<std::string> nodes;  // none: all
  std::string pod_namespace;       // whose pods are shown; "": everybody's
  bool all_namespaces = false;     // everybody's, whatever was said before the command
  std::string tranche_namespace;   // where tranche-node's pods are; "": wherever they are
  top::Sort sort = top::Sort::kBusy;
};

struct ClusterUse {
  struct Node {
    PluginPod program;
    top::NodeUse use;
    base::Json status;  // as the node says it
  };
  std::vector<Node> nodes;            // that answered, by name
  std::vector<std::string> warnings;  // what is missing
};

base::Result<ClusterUse> CollectUse(Cluster& cluster, const UseOptions& options);

// 1 where a node did not answer, or says that it is degraded; else 0.
int ClusterUseExitCode(const ClusterUse& use);

struct UseView {
  bool wide = false;
  common::Color color = common::Color::kOff;
  double now = 0;  // seconds of the wall clock
};
// GPUs, and the pods of all nodes together, both sorted by use.
std::string ShowTop(const ClusterUse& use, const UseOptions& options, const UseView& view);
// Which pods share which GPU.
std::string ShowPods(const ClusterUse& use, const UseOptions& options, const UseView& view);
// "pod/NAME", one a line, each pod once.
std::string ShowNames(const ClusterUse& use, const UseOptions& options);

// {"apiVersion": "tranche.dev/v1", "kind": "ClusterUse", "nodes": [{"name", "namespace", "pod",
// "status"}], "warnings": […]}, where status is the node's own NodeStatus.
base::Json TopDocument(const ClusterUse& use, const UseOptions& options);
// {"apiVersion": …, "kind": "GpuPodList", "items": [a pod as in NodeStatus, with node, device,
// uuid, wall and sharedWith], "warnings": […]}
base::Json PodsDocument(const ClusterUse& use, const UseOptions& options);

}  // namespace tranche::cli::kubectl
