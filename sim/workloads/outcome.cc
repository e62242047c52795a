#include "sim/workloads/outcome.h"

#include <cstdio>

namespace tranche::sim::workloads {

void CountError(Outcome& outcome, int code, const char* name) {
  for (unsigned i = 0; i < outcome.error_kinds; ++i) {
    if (outcome.errors[i].code != code) continue;
    ++outcome.errors[i].count;
    return;
  }
  if (outcome.error_kinds == kMaxErrors) return;
  ErrorCount& added = outcome.errors[outcome.error_kinds++];
  added.code = code;
  added.count = 1;
  std::snprintf(added.name, sizeof added.name, "%s", name);
}

void AddLatency(Outcome& outcome, std::int64_t nanoseconds, std::uint64_t random) {
  ++outcome.latencies;
  if (outcome.sample_count < kMaxSamples) {
    outcome.samples[outcome.sample_count++] = nanoseconds;
    return;
  }
  const std::uint64_t place = random % outcome.latencies;
  if (place < kMaxSamples) outcome.samples[place] = nanoseconds;
}

}  // namespace tranche::sim::workloads
