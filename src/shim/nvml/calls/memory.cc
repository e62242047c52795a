// What a program is told of a device's memory: its pod's limit is the whole, what the pod holds is
// used, and what it may still take is free.
#include "shim/nvml/real.h"
#include "shim/nvml/view.h"

namespace tranche::shim::nvml {
namespace {

void Narrow(Device device, unsigned long long* total, unsigned long long* free,
            unsigned long long* used, unsigned long long* reserved) {
  guest::Pages pages;
  unsigned wall = 0;
  if (!FindWall(device, &pages, &wall)) return;
  const std::uint64_t limit = pages.limits->devices[wall].limit_bytes.load();
  const std::uint64_t held = pages.counters->devices[wall].total_bytes.load();
  if (limit < *total) *total = limit;
  // A limit that was lowered may be below what the pod holds: clients subtract the two.
  *used = held < *total ? held : *total;
  const std::uint64_t left = *total - *used;
  if (left < *free) *free = left;
  if (reserved != nullptr) *reserved = left - *free;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Return nvmlDeviceGetMemoryInfo(Device device, Memory* memory) {
  const Return result = TRANCHE_NVML_REAL(nvmlDeviceGetMemoryInfo, device, memory);
  if (result == kSuccess) Narrow(device, &memory->total, &memory->free, &memory->used, nullptr);
  return result;
}
Return nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2* memory) {
  const Return result = TRANCHE_NVML_REAL(nvmlDeviceGetMemoryInfo_v2, device, memory);
  if (result == kSuccess) {
    Narrow(device, &memory->total, &memory->free, &memory->used, &memory->reserved);
  }
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim::nvml
