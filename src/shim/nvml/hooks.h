// The functions of libnvidia-ml that this library exports, as NVIDIA's own. What each does beside
// calling the driver's is told in src/shim/nvml/calls.
//
// The list of functions and types is that of all our readers of NVML; hooks.def says which of them
// are hooked. The others are declared for their types, and never called by name.
//
// Threading: any thread, as the driver's own.
// Errors: the driver's own result.
#pragma once

#include <type_traits>

#include "gpu/nvml/functions.h"

namespace tranche::shim::nvml {

// NOLINTBEGIN(google-build-using-namespace): the list is of those types.
using namespace gpu::nvml;
// NOLINTEND(google-build-using-namespace)

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {
#define TRANCHE_DECLARE(name, ...) std::type_identity_t<__VA_ARGS__> name;
TRANCHE_NVML_DEVICE_FUNCTIONS(TRANCHE_DECLARE)
TRANCHE_NVML_PROCESS_FUNCTIONS(TRANCHE_DECLARE)
TRANCHE_NVML_MIG_FUNCTIONS(TRANCHE_DECLARE)
#undef TRANCHE_DECLARE
}
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim::nvml
