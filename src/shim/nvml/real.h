// The functions of the real libnvidia-ml behind this one (shim/guest/library.h).
//
// Threading: any thread; nothing is locked. Looking up twice finds the same.
// Errors: a function that this driver has not is null, and TRANCHE_NVML_REAL of it gives
// kFunctionNotFound.
#pragma once

#include "shim/nvml/hooks.h"

namespace tranche::shim::nvml {

// Those that are called, and not hooked. Of the last one it only counts whether it is there.
#define TRANCHE_NVML_CALLED(X)           \
  X(nvmlDeviceGetUUID)                   \
  X(nvmlDeviceGetGpuInstanceId)          \
  X(nvmlDeviceGetComputeInstanceId)      \
  X(nvmlDeviceGetMaxMigDeviceCount)      \
  X(nvmlDeviceGetMigDeviceHandleByIndex) \
  X(nvmlDeviceGetConfComputeMemSizeInfo)

enum class Function : unsigned {
#define HOOK(name, version) name,
#define CALLED(name) name,
#include "shim/nvml/hooks.def"
  TRANCHE_NVML_CALLED(CALLED)
#undef HOOK
#undef CALLED
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
