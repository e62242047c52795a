// Reads the facts about a node that labels state besides its GPUs: the machine type, and whether a
// hypervisor provides the node's GPUs as vGPUs. These are small reads of files, mostly below /sys.
//
// Threading: plain functions, safe on any thread.
// Errors: ReadLabelFacts logs what cannot be read, and marks it as not known; VgpuOf returns a
// Status.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "labels/labels.h"

namespace tranche::labels {

// `sys_root` is a prefix for /sys (simulated nodes). The timestamp is left empty.
LabelFacts ReadLabelFacts(const std::string& machine_type_file, const std::string& sys_root);

// A PCI function's configuration space: the vGPU host where it is a vGPU, else nothing.
// kFailedPrecondition: less than the 256 bytes that a privileged reader gets.
base::Result<std::optional<VgpuHost>> VgpuOf(std::string_view config);

}  // namespace tranche::labels
