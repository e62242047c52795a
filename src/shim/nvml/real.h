// The functions of the real libnvidia-ml behind the shadow (shim/guest/library.h).
//
// Threading: any thread; nothing is locked. Looking up twice finds the same.
// Errors: a function that this driver has not is null, and TRANCHE_NVML_REAL of it gives
// kFunctionNotFound.
#pragma once

#include "shim/nvml/hooks.h"

namespace tranche::shim::nvml {

enum class Function : unsigned {
#define HOOK(name, version) name,
#include "shim/nvml/hooks.def"
#undef HOOK
  // Called, and not hooked.
  nvmlDeviceGetUUID,
  nvmlDeviceGetGpuInstanceId,
  nvmlDeviceGetComputeInstanceId,
  nvmlDeviceGetMaxMigDeviceCount,
  nvmlDeviceGetMigDeviceHandleByIndex,
  // Only whether it is there.
  nvmlDeviceGetConfComputeMemSizeInfo,
  kCount,
};

// The driver's own function, or null.
void* RealAddress(Function function);

}  // namespace tranche::shim::nvml

// The driver's own function of a name of the list, called with its types.
#define TRANCHE_NVML_REAL(name, ...)                                                     \
  (::tranche::shim::nvml::RealAddress(::tranche::shim::nvml::Function::name) == nullptr  \
       ? ::tranche::gpu::nvml::kFunctionNotFound                                         \
       : reinterpret_cast<decltype(&::tranche::shim::nvml::name)>(                       \
             ::tranche::shim::nvml::RealAddress(::tranche::shim::nvml::Function::name))( \
             __VA_ARGS__))
