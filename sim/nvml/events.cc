// Event sets: each sees every event of its devices once, whoever else listens.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::EventState;
using sim::GpuState;
using sim::nvml::Call;
using sim::nvml::GpuCall;
using sim::nvml::Library;

// What a set wants of one GPU, and from which event on.
struct Registration {
  unsigned long long types = 0;
  std::uint64_t from = 0;
};

struct Set {
  std::map<unsigned, Registration> gpus;  // by slot
  std::uint64_t next = 1;                 // number of the next event to look at
  bool freed = false;
};

// Handles are small numbers, never used twice, so that one that was freed is known to be so.
// Guarded by the library's lock, like every Set.
struct Sets {
  std::map<std::uintptr_t, std::shared_ptr<Set>> by_handle;
  std::uintptr_t last = 0;
};

Sets& AllSets() {
  static Sets* const sets = new Sets();
  return *sets;
}

std::shared_ptr<Set> Find(EventSet handle) {
  const auto found = AllSets().by_handle.find(reinterpret_cast<std::uintptr_t>(handle));
  return found == AllSets().by_handle.end() ? nullptr : found->second;
}

bool Wants(const Set& set, const EventState& event) {
  const auto gpu = set.gpus.find(event.slot);
  return gpu != set.gpus.end() && (gpu->second.types & event.type) != 0 &&
         event.number >= gpu->second.from;
}

// Takes the set's next event, if there is one. With the lock held.
bool TakeEvent(Library& library, Set* set, EventData* data) {
  if (library.node().header.last_event < set->next) return false;
  for (const EventState& event : library.reader().EventsFrom(set->next)) {
    set->next = event.number + 1;
    if (!Wants(*set, event)) continue;
    *data = {.device = library.DeviceHandle(event.slot),
             .type = event.type,
             .data = event.data,
             .gpu_instance_id = event.gpu_instance,
             .compute_instance_id = event.compute_instance};
    return true;
  }
  return false;
}

Return Wait(const char* name, EventSet handle, EventData* data, unsigned timeout_ms) {
  constexpr std::uint64_t kLook = 200'000'000;
  Library& library = Library::Get();
  if (const Return trouble = library.Trouble(name, sim::kWholeGpu); trouble != kSuccess) {
    return trouble;
  }
  const std::uint64_t deadline = sim::MonotonicNs() + timeout_ms * 1'000'000ULL;
  std::shared_ptr<Set> set;
  for (;;) {
    std::uint32_t seen = 0;
    {
      const std::scoped_lock lock(library.mutex());
      if (const Return ready = library.Refresh(); ready != kSuccess) return ready;
      if (set == nullptr) set = Find(handle);
      if (set == nullptr || set->freed || data == nullptr) return kInvalidArgument;
      seen = library.node().header.sequence;
      if (TakeEvent(library, set.get(), data)) return kSuccess;
    }
    // A fault that begins while we wait ends the wait.
    if (const Return trouble = library.Trouble(name, sim::kWholeGpu); trouble != kSuccess) {
      return trouble;
    }
    const std::uint64_t now = sim::MonotonicNs();
    if (now >= deadline) return kTimeout;
    library.reader().WaitForChange(seen, std::min(deadline - now, kLook));
  }
}

}  // namespace

extern "C" {

Return nvmlEventSetCreate(EventSet* handle) {
  return Call(__func__, [&](Library& library) {
    if (handle == nullptr) return kInvalidArgument;
    auto set = std::make_shared<Set>();
    set->next = library.node().header.last_event + 1;
    *handle = reinterpret_cast<EventSet>(++AllSets().last);  // NOLINT(performance-no-int-to-ptr)
    AllSets().by_handle[AllSets().last] = std::move(set);
    return kSuccess;
  });
}

Return nvmlEventSetFree(EventSet handle) {
  return Call(__func__, [&](Library&) {
    const std::shared_ptr<Set> set = Find(handle);
    if (set == nullptr) return kInvalidArgument;
    set->freed = true;
    AllSets().by_handle.erase(reinterpret_cast<std::uintptr_t>(handle));
    return kSuccess;
  });
}

Return nvmlEventSetWait(EventSet set, EventData* data, unsigned timeout_ms) {
  return Wait(__func__, set, data, timeout_ms);
}
Return nvmlEventSetWait_v2(EventSet set, EventData* data, unsigned timeout_ms) {
  return Wait(__func__, set, data, timeout_ms);
}

Return nvmlDeviceGetSupportedEventTypes(Device device, unsigned long long* types) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (types == nullptr) return kInvalidArgument;
    const unsigned long long ecc = gpu.ecc != 0 ? kEventSingleBitEcc | kEventDoubleBitEcc : 0;
    *types = ecc | kEventPState | kEventXidCritical | kEventClock;
    return kSuccess;
  });
}

Return nvmlDeviceRegisterEvents(Device device, unsigned long long types, EventSet handle) {
  return GpuCall(__func__, device, [&](const GpuState&) {
    const std::shared_ptr<Set> set = Find(handle);
    if (set == nullptr) return kInvalidArgument;
    Registration& registration = set->gpus[device->slot];
    if (registration.types == 0) {
      registration.from = Library::Get().node().header.last_event + 1;
    }
    registration.types |= types;
    return kSuccess;
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
