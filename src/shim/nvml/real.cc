#include "shim/nvml/real.h"

#include <atomic>

#include "shim/guest/library.h"
#include "shim/guest/old_glibc.h"

namespace tranche::shim::nvml {
namespace {

constexpr char kNeverHooked[] = "nvmlSystemGetDriverVersion";
constexpr unsigned kFunctions = static_cast<unsigned>(Function::kCount);
constexpr const char* kNames[kFunctions] = {
#define HOOK(name, version) #name,
#define CALLED(name) #name,
#include "shim/nvml/hooks.def"
    TRANCHE_NVML_CALLED(CALLED)
#undef HOOK
#undef CALLED
};

constinit std::atomic<void*> addresses[kFunctions] = {};
constinit std::atomic<bool> looked_up = false;

void LookUp() {
  void* library = guest::RealLibrary(&looked_up, kNeverHooked);
  if (library == nullptr) return;
  for (unsigned i = 0; i < kFunctions; ++i) addresses[i].store(dlsym(library, kNames[i]));
  looked_up.store(true, std::memory_order_release);
}

}  // namespace

void* RealAddress(Function function) {
  if (!looked_up.load(std::memory_order_acquire)) LookUp();
  return addresses[static_cast<unsigned>(function)].load(std::memory_order_relaxed);
}

}  // namespace tranche::shim::nvml
