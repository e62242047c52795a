// What a device answers for each CUdevice_attribute.
//
// Values are those of the node's state where it has them, else those of the "Technical
// Specifications per Compute Capability" in NVIDIA's CUDA C++ Programming Guide, else what a
// data-centre GPU of that generation is known to answer; docs/simulation.md says which are guesses.
//
// Threading: plain functions.
// Errors: false for a number that is no attribute of this version of the library.
#pragma once

#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

bool AttributeOf(const DeviceObject& device, DeviceAttribute attribute, int* value);

}  // namespace tranche::sim::cuda
