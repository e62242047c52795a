// The real library behind the shim (shim/guest/library.h), and how its functions are routed.
//
// Threading: any thread; nothing is locked. Looking up twice finds the same.
// Errors: a function that this driver has not is null, and Real() of it gives kNotFound.
#pragma once

#include <atomic>

#include "shim/hooks.h"

namespace tranche::shim {

enum class Hook : unsigned {
#define HOOK(name, version) name,
#include "shim/hooks.def"
#undef HOOK
  kCount,
};
inline constexpr unsigned kHookCount = static_cast<unsigned>(Hook::kCount);

// Functions of the driver that the shim calls and does not hook.
enum class Plain : unsigned {
  kContextGetDevice,
  kContextGetCurrent,
  kDeviceGetCount,
  kDeviceGetUuid,
  kPrimaryGetState,
  kDeviceGetPool,
  kPoolGetAttribute,
  kArrayRequirements,
  kMipmapRequirements,
  kIsCapturing,
  kContextGetId,
  kGraphMemory,
  kGraphNodes,
  kGraphNodeType,
  kGraphAllocNode,
  kGraphFreeNode,
  kGraphChild,
  kPhysicalProperties,
  kDeviceGetDefaultPool,
  kDeviceSetPool,
  kPoolSetAttribute,
  kStreamContext,
  kContextPush,
  kContextPop,
  kEventCreate,
  kEventRecord,
  kEventQuery,
  kEventDestroy,
  kCaptureMode,
  kCount,
};

// The driver's own function, or null.
void* RealAddress(Hook hook);
void* PlainAddress(Plain plain);

// The hook in place of a function of the driver; the function itself where it is not hooked.
void* Routed(void* real);

// Whether the driver's function was found; null where it was not.
template <typename... Types>
Result CallReal(void* real, Types... arguments) {
  if (real == nullptr) return kNotFound;
  return reinterpret_cast<Result (*)(Types...)>(real)(arguments...);
}

// For tests: the path of the real library, or null.
const char* RealPath();

}  // namespace tranche::shim

// The driver's own function of the name of a hook, called with the types of the hook.
#define TRANCHE_REAL(name, ...)                                         \
  (::tranche::shim::RealAddress(::tranche::shim::Hook::name) == nullptr \
       ? ::tranche::shim::kNotFound                                     \
       : reinterpret_cast<decltype(&::tranche::shim::name)>(            \
             ::tranche::shim::RealAddress(::tranche::shim::Hook::name))(__VA_ARGS__))
