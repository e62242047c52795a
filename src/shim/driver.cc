#include "shim/driver.h"

#include "shim/guest/library.h"
#include "shim/guest/old_glibc.h"

namespace tranche::shim {
namespace {

constexpr unsigned kPlainCount = static_cast<unsigned>(Plain::kCount);
// Each name by its newest version; the second is what an older driver has in its place.
constexpr const char* kPlainNames[kPlainCount][2] = {
    {"cuCtxGetDevice", nullptr},
    {"cuCtxGetCurrent", nullptr},
    {"cuDeviceGetCount", nullptr},
    {"cuDeviceGetUuid_v2", "cuDeviceGetUuid"},
    {"cuDevicePrimaryCtxGetState", nullptr},
    {"cuDeviceGetMemPool", nullptr},
    {"cuMemPoolGetAttribute", nullptr},
    {"cuArrayGetMemoryRequirements", nullptr},
    {"cuMipmappedArrayGetMemoryRequirements", nullptr},
    {"cuStreamIsCapturing", nullptr},
    {"cuCtxGetId", nullptr},
    {"cuDeviceGetGraphMemAttribute", nullptr},
    {"cuGraphGetNodes", nullptr},
    {"cuGraphNodeGetType", nullptr},
    {"cuGraphMemAllocNodeGetParams", nullptr},
    {"cuGraphMemFreeNodeGetParams", nullptr},
    {"cuGraphChildGraphNodeGetGraph", nullptr},
    {"cuMemGetAllocationPropertiesFromHandle", nullptr},
    {"cuDeviceGetDefaultMemPool", nullptr},
    {"cuDeviceSetMemPool", nullptr},
    {"cuMemPoolSetAttribute", nullptr},
    {"cuStreamGetCtx", nullptr},
    {"cuCtxPushCurrent_v2", nullptr},
    {"cuCtxPopCurrent_v2", nullptr},
    {"cuEventCreate", nullptr},
    {"cuEventRecord", nullptr},
    {"cuEventQuery", nullptr},
    {"cuEventDestroy_v2", nullptr},
    {"cuThreadExchangeStreamCaptureMode", nullptr},
};
constexpr const char* kHookNames[kHookCount] = {
#define HOOK(name, version) #name,
#include "shim/hooks.def"
#undef HOOK
};
void* const kHooks[kHookCount] = {
#define HOOK(name, version) reinterpret_cast<void*>(&(name)),
#include "shim/hooks.def"
#undef HOOK
};

// From a function of the driver to its hook: open addressing, at most a quarter full.
constexpr unsigned kRoutes = 512;
static_assert(kHookCount * 4 <= kRoutes);

constinit std::atomic<void*> hook_addresses[kHookCount] = {};
constinit std::atomic<void*> plain_addresses[kPlainCount] = {};
struct Route {
  std::atomic<void*> real;
  std::atomic<void*> hook;
};
constinit Route routes[kRoutes] = {};
constinit std::atomic<bool> looked_up = false;

unsigned FirstRoute(const void* real) {
  const auto number = reinterpret_cast<std::uintptr_t>(real);
  return static_cast<unsigned>((number * 0x9E3779B97F4A7C15U) >> 55U) % kRoutes;
}

void AddRoute(void* real, void* hook) {
  for (unsigned i = FirstRoute(real);; i = (i + 1) % kRoutes) {
    void* there = nullptr;
    if (!routes[i].real.compare_exchange_strong(there, real) && there != real) continue;
    routes[i].hook.store(hook);
    return;
  }
}

constexpr char kNeverHooked[] = "cuDriverGetVersion";

void LookUp() {
  void* library = guest::RealLibrary(&looked_up, kNeverHooked);
  if (library == nullptr) return;
  for (unsigned i = 0; i < kPlainCount; ++i) {
    void* found = dlsym(library, kPlainNames[i][0]);
    if (found == nullptr && kPlainNames[i][1] != nullptr) {
      found = dlsym(library, kPlainNames[i][1]);
    }
    plain_addresses[i].store(found);
  }
  for (unsigned i = 0; i < kHookCount; ++i) {
    void* found = dlsym(library, kHookNames[i]);
    if (found == nullptr) continue;
    AddRoute(found, kHooks[i]);
    hook_addresses[i].store(found);
  }
  looked_up.store(true, std::memory_order_release);
}

void LookUpOnce() {
  if (!looked_up.load(std::memory_order_acquire)) LookUp();
}

}  // namespace

void* RealAddress(Hook hook) {
  std::atomic<void*>& address = hook_addresses[static_cast<unsigned>(hook)];
  void* found = address.load(std::memory_order_relaxed);
  if (found != nullptr) [[likely]]
    return found;
  LookUpOnce();
  return address.load();
}

void* PlainAddress(Plain plain) {
  LookUpOnce();
  return plain_addresses[static_cast<unsigned>(plain)].load(std::memory_order_relaxed);
}

void* Routed(void* real) {
  if (real == nullptr) return nullptr;
  LookUpOnce();
  for (unsigned i = FirstRoute(real);; i = (i + 1) % kRoutes) {
    void* there = routes[i].real.load();
    if (there == nullptr) return real;
    if (there != real) continue;
    void* hook = routes[i].hook.load();
    return hook != nullptr ? hook : real;
  }
}

const char* RealPath() { return guest::RealPath(&looked_up, kNeverHooked); }

}  // namespace tranche::shim
