// DriverClock is the time of the GPU's driver: real time on a real GPU. A simulated driver may let
// its own time pass more slowly, and says so in its table (sim/cuda/export_table.h).
//
// Lateness says how well a program kept what it had planned: for how much of its time something was
// due that it had not begun. On a busy machine a program wakes up late, and figures taken from it
// then say more about that machine than about the GPU.
//
// Threading: one thread.
// Errors: none. A signal ends a sleep early.
#pragma once

#include <cstdint>

namespace tranche::sim::workloads {

class DriverClock {
 public:
  DriverClock() = default;
  DriverClock(std::uint64_t epoch_ns, unsigned scale) : epoch_ns_(epoch_ns), scale_(scale) {}

  [[nodiscard]] std::int64_t Now() const;
  [[nodiscard]] std::int64_t FromMonotonic(std::int64_t monotonic_ns) const;
  void SleepUntil(std::int64_t time) const;
  [[nodiscard]] unsigned scale() const { return scale_; }

 private:
  std::uint64_t epoch_ns_ = 0;
  unsigned scale_ = 1;
};

class Lateness {
 public:
  // What was due at `deadline` is begun at `now`. Both only rise.
  void Meet(std::int64_t deadline, std::int64_t now);
  [[nodiscard]] std::int64_t total_ns() const { return total_ns_; }  // the parts in common once
  [[nodiscard]] std::int64_t worst_ns() const { return worst_ns_; }

 private:
  std::int64_t counted_until_ = 0;
  std::int64_t total_ns_ = 0;
  std::int64_t worst_ns_ = 0;
};

}  // namespace tranche::sim::workloads
