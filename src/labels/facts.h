// What the labels tell of a node besides its GPUs: machine type, and whether a hypervisor gave it
// vGPUs. Small reads of /sys.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "labels/labels.h"

namespace tranche::labels {

// `sys_root` goes before /sys. The timestamp is left empty.
LabelFacts ReadLabelFacts(const std::string& machine_type_file, const std::string& sys_root);

// A PCI function's configuration space: the vGPU host where it is a vGPU, else nothing.
// kFailedPrecondition: less than the 256 bytes that a privileged reader gets.
base::Result<std::optional<VgpuHost>> VgpuOf(std::string_view config);

}  // namespace tranche::labels
