// Writes the files of a simulated node, which is a driver root as real tools expect it, and keeps
// them in step with its GPUs.
//
// Device nodes are real character nodes where making them is allowed, else empty files in their
// place (which is enough for tools that only look).
//
// Threading: plain functions; one thread at a time per root.
// Errors: a Status that names the path.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "sim/node/home.h"
#include "sim/node/profile.h"
#include "sim/node/state.h"

namespace tranche::sim {

enum class DeviceNodes { kCharacter, kPlainFiles };

std::string LibraryDirectory(const std::string& root);  // ROOT/usr/lib/x86_64-linux-gnu
// The state file's path in `root`; kNotFound where `root` holds no simulated node.
base::Result<std::string> StatePath(const std::string& root);
std::string StatePathFor(const std::string& root, const std::string& driver_version);

// Libraries, nvidia-smi, /proc and /sys of the whole node, and every GPU's files.
base::Result<DeviceNodes> WriteNodeFiles(const SimHome& home, const NodeProfile& profile,
                                         const std::string& root);

base::Status WriteGpuFiles(const GpuState& gpu, const std::string& root);
base::Status RemoveGpuFiles(const GpuState& gpu, const std::string& root);
// /dev/nvidia-caps, /proc/driver/nvidia/capabilities and mig-minors for the GPUs there are.
base::Status WriteMigFiles(const std::vector<GpuState>& gpus, const std::string& root);

}  // namespace tranche::sim
