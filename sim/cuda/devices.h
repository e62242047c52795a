// The devices that a process sees: the GPUs of the node, as CUDA_VISIBLE_DEVICES chooses them.
//
// As CUDA does: where a MIG device is visible, it is the only device, and the first of them; a GPU
// that MIG has cut is no device itself. CUDA_VISIBLE_DEVICES names devices by number, by UUID or by
// the beginning of one ("GPU-8932f937", "MIG-…", "MIG-GPU-<uuid>/<gpu instance>/<compute
// instance>"); the first name that means nothing ends the list.
//
// Threading: plain functions.
// Errors: kNoDevice where nothing is left, or no driver is loaded.
#pragma once

#include <memory>
#include <vector>

#include "sim/cuda/objects.h"
#include "sim/node/state_reader.h"

namespace tranche::sim::cuda {

// `visible`: CUDA_VISIBLE_DEVICES; nullptr where it is not set.
std::vector<std::unique_ptr<DeviceObject>> ChooseDevices(const NodeSnapshot& node,
                                                         const char* visible, bool in_bus_order);
Result ListDevices(const StateReader& node, std::vector<std::unique_ptr<DeviceObject>>* devices);

// The 16 bytes of a UUID "GPU-01020304-…" or "MIG-…".
void UuidBytes(const char* text, Uuid* uuid);

}  // namespace tranche::sim::cuda
