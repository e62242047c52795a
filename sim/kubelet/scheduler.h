// The scheduler of a cluster that has this one node: which pods fit, by what they request and what
// the node has of it.
//
// Threading: a plain function; the loop's thread, as the table's.
// Errors: none. What does not fit waits, and its pod says why.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/kubelet/device_manager.h"
#include "sim/kubelet/pod_table.h"

namespace tranche::sim {

// Puts each waiting pod that fits on the node (kQueued), the oldest first, and returns those. The
// others get the reason and the message of Kubernetes' scheduler.
std::vector<PodRecord*> PlacePods(PodTable& pods, const std::map<std::string, ResourceCount>& node);

}  // namespace tranche::sim
