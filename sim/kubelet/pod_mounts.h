// Puts a container's mounts and devices in place in a mount namespace of this process's own. For
// the child between fork and exec.
#pragma once

#include <string>
#include <vector>

#include "kubelet/device_plugin.h"

namespace tranche::sim {

// A line for each that could not be put in place. A missing mount point is made in a copy of the
// folder it belongs in (a tmpfs with the folder's entries bound into it), so the machine's own
// files stay as they are; that is not done for "/".
std::vector<std::string> ApplyMounts(const std::vector<kubelet::Mount>& mounts,
                                     const std::vector<kubelet::DeviceSpec>& devices);

}  // namespace tranche::sim
