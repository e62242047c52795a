// Makes the mount namespace of a stage.
//
// Threading: EnterStageNamespace is called while the process has one thread.
// Errors: a Status that says what the kernel refused.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::sim {

// Puts this process (one thread yet) into a mount namespace of its own, as root or in a user
// namespace of its own, and covers /var/lib and /run with empty folders.
base::Status EnterStageNamespace();

// Makes a simulated node's kernel files (under `driver_root`/proc/driver, /sys/bus/pci) the
// machine's, for programs that know no other place to look.
base::Status ShowKernelFiles(const std::string& driver_root);

// Somebody listens on the kubelet's own socket.
bool KubeletServesThisMachine();

}  // namespace tranche::sim
