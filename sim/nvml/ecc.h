// Finds a GPU's counts of memory errors among NVML's field values.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <optional>

#include "sim/nvml/library.h"

namespace tranche::sim::nvml {

// The value of a field of NVML (NVML_FI_DEV_ECC_…, NVML_FI_DEV_REMAPPED_…); none of any other.
std::optional<unsigned long long> EccField(const GpuState& gpu, unsigned field_id);

}  // namespace tranche::sim::nvml
