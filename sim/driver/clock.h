// DriverClock is the driver's virtual time: the machine's monotonic clock since the driver began,
// slowed by a factor.
//
// Threading: a plain value.
// Errors: none.
#pragma once

#include <cstdint>

#include "sim/engine/engine.h"
#include "sim/node/state_reader.h"

namespace tranche::sim::driver {

struct DriverClock {
  std::uint64_t epoch_ns = 0;  // CLOCK_MONOTONIC when it was 0
  std::uint32_t scale = 1;     // it goes so many times slower

  [[nodiscard]] engine::Time Now() const { return At(MonotonicNs()); }
  [[nodiscard]] engine::Time At(std::uint64_t monotonic_ns) const {
    return static_cast<engine::Time>((monotonic_ns - epoch_ns) / scale);
  }
  // The first moment of the machine's clock at which this one shows `time`.
  [[nodiscard]] std::uint64_t MonotonicOf(engine::Time time) const {
    return epoch_ns + static_cast<std::uint64_t>(time) * scale;
  }
};

}  // namespace tranche::sim::driver
