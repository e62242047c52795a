// Which pod and container a process belongs to, by the control groups that the kernel says it is in
// (/proc/PID/cgroup, cgroups(7)).
//
// The kubelet puts every pod into a group of its own, named after the pod's UID, and the container
// runtime every container into a group below that. What lies further below is the pod's own doing:
// a container with a writable tree may make groups with any name, a victim's among them. So the
// first group from the root that names a pod counts, and all hierarchies of the process must agree.
//
// The text may be read in the host's cgroup namespace or in one of a container's own, in which the
// paths of others begin with "/..".
//
// Threading: plain functions.
// Errors: kNotFound: the process is in no pod. kInvalidArgument: the text says no one thing, and
// must not be believed.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace tranche::node::identity {

struct PodGroup {
  std::string pod_uid;  // as in metadata.uid; of a static pod, the hash that the kubelet has made
  std::string container_id;  // without "containerd://"; "" for what is in the pod's own group
  friend bool operator==(const PodGroup&, const PodGroup&) = default;
};

// `text` is what /proc/PID/cgroup holds: lines "hierarchy:controllers:path".
base::Result<PodGroup> ReadPodGroup(std::string_view text);

}  // namespace tranche::node::identity
