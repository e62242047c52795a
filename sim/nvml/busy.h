// Computes how busy a GPU and the processes on it are: what the driver has sampled, and what was
// set by hand for a GPU or a process that stands there without a driver (`tranche sim set`,
// `tranche sim process`), which counts as the same in every period.
//
// Threading: called with the library's lock held.
// Errors: none.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/nvml/library.h"

namespace tranche::sim::nvml {

struct Busy {
  unsigned gpu = 0;  // percent of the time in which something computed
  unsigned memory = 0;
};

struct ProcessUse {
  unsigned pid = 0;
  std::uint64_t time_us = 0;  // of its newest sample, CLOCK_REALTIME
  unsigned sm_percent = 0;
  unsigned memory_percent = 0;
};

struct BusyPeriod {
  std::uint64_t time_us = 0;  // at its end
  Busy busy;
};

// Power with the GPU so many percent busy: what it takes idle, and the rest up to its limit.
unsigned PowerAt(const GpuState& gpu, unsigned percent);
// A GPU at work runs at its full clock.
unsigned ClockAt(const GpuState& gpu, gpu::nvml::ClockType type, unsigned percent);

// Over the last whole period.
Busy BusyNow(const GpuState& gpu);

// The periods that NVML keeps and that ended after `after_us`, oldest first.
std::vector<BusyPeriod> BusyPeriods(const GpuState& gpu, std::uint64_t after_us);

// Processes that have computed since `after_us`, each once: its average over the periods since
// then, or over all that NVML keeps.
std::vector<ProcessUse> UseSince(const GpuState& gpu, std::uint64_t after_us);

}  // namespace tranche::sim::nvml
