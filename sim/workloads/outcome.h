// Outcome is what one process of a workload did. It lies in memory that its parent shares, and has
// no pointers.
//
// Threading: one writer; read by others when the process has ended.
// Errors: none. What does not fit (more than kMaxErrors kinds of errors) is left out.
#pragma once

#include <cstdint>

namespace tranche::sim::workloads {

inline constexpr unsigned kMaxErrors = 8;
inline constexpr unsigned kMaxSamples = 16384;

struct ErrorCount {
  int code;
  char name[56];  // "CUDA_ERROR_OUT_OF_MEMORY"
  std::uint64_t count;
};

// Times in nanoseconds of the driver's time.
struct Outcome {
  std::int32_t pid;
  std::uint32_t simulated;
  std::uint32_t time_scale;
  std::uint32_t finished;  // it came to its end, as planned or not
  char device[128];
  char failed[256];  // why it ended early; empty: it did not
  std::int64_t begin_ns;
  std::int64_t end_ns;
  std::uint64_t launched;  // kernels
  std::uint64_t done;      // of those, as far as was known at the end
  std::uint64_t requests;
  std::uint64_t allocations;
  std::uint64_t memory_bytes;  // held at the end
  std::uint64_t memory_peak_bytes;
  std::int64_t late_ns;
  std::int64_t worst_late_ns;
  std::int64_t blocked_ns;  // in launches while the driver's queue may have been full
  std::uint32_t error_kinds;
  std::uint32_t sample_count;
  ErrorCount errors[kMaxErrors];
  std::uint64_t latencies;  // ever; the samples are a choice of them, each as likely as another
  std::int64_t samples[kMaxSamples];
};

void CountError(Outcome& outcome, int code, const char* name);
void AddLatency(Outcome& outcome, std::int64_t nanoseconds, std::uint64_t random);

}  // namespace tranche::sim::workloads
