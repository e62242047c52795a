// Applies MIG layouts: from "3g.40gb,1g.10gb*4" to GPU and compute instances on a GPU's slices.
//
// The grammar is  item {"," item};  item = profile ["*" count] [":" n"c" {"+" n"c"}]  where a
// profile is one of the GPU's own ("1g.10gb+me") and the part after ":" splits each GPU instance
// into compute instances (default: one of all slices).
//
// Threading: plain functions, safe on any thread.
// Errors: kInvalidArgument says what does not fit.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "sim/node/state.h"

namespace tranche::sim {

// Cuts `gpu` as `layout` says, MIG enabled; "off" or "" disables it, "on" enables it uncut. Leaves
// `gpu` as it was on an error. UUIDs follow from the GPU's UUID and the instance ids.
base::Status ApplyMigLayout(std::string_view layout, GpuState* gpu);

// The name of a MIG device: "1g.10gb", or "1c.3g.40gb" for a part of a GPU instance.
std::string MigDeviceName(const MigProfileState& profile, const ComputeInstanceState& compute);

// "MIG-…"/"GPU-…": a version 5 like UUID that follows from `seed`.
std::string DeriveUuid(std::string_view prefix, std::string_view seed);

// Minor number of /dev/nvidia-caps/nvidia-cap<minor> of a GPU instance, or of a compute instance in
// it; the numbers of /proc/driver/nvidia-caps/mig-minors, which are fixed (NVIDIA's MIG User Guide,
// "Device Nodes and Capabilities").
unsigned GpuInstanceCapMinor(unsigned gpu_minor, unsigned gpu_instance);
unsigned ComputeInstanceCapMinor(unsigned gpu_minor, unsigned gpu_instance, unsigned compute);

}  // namespace tranche::sim
