// Computes how much of a GPU's or MIG device's memory is in use, and by whom.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/nvml/library.h"

namespace tranche::sim::nvml {

struct MemoryShare {
  std::uint64_t total = 0;
  std::uint64_t reserved = 0;
  std::uint64_t used = 0;  // without `reserved`
};

inline bool BelongsTo(const ProcessState& process, const Target& target) {
  if (!target.is_mig()) return true;
  return process.gpu_instance == target.gpu_instance->id &&
         process.compute_instance == target.compute_instance->id;
}

// Memory is a GPU instance's: compute instances in one share it.
inline MemoryShare MemoryOf(const Target& target) {
  const GpuState& gpu = *target.gpu;
  MemoryShare share{
      .total = gpu.memory_total, .reserved = gpu.memory_reserved, .used = gpu.memory_used};
  if (target.is_mig()) {
    constexpr std::uint64_t kInstanceOwn = 13 << 20;  // what an empty instance shows as used
    share = {.total = target.profile().memory_mib << 20, .reserved = 0, .used = kInstanceOwn};
  }
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    const ProcessState& process = gpu.processes[i];
    if (!target.is_mig() || process.gpu_instance == target.gpu_instance->id) {
      share.used += process.memory_bytes;
    }
  }
  share.used = std::min(share.used, share.total - share.reserved);
  return share;
}

}  // namespace tranche::sim::nvml
