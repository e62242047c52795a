#include "sim/workloads/driver_clock.h"

#include <algorithm>
#include <ctime>

namespace tranche::sim::workloads {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t MonotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

}  // namespace

std::int64_t DriverClock::FromMonotonic(std::int64_t monotonic_ns) const {
  return (monotonic_ns - static_cast<std::int64_t>(epoch_ns_)) / static_cast<std::int64_t>(scale_);
}

std::int64_t DriverClock::Now() const { return FromMonotonic(MonotonicNow()); }

void DriverClock::SleepUntil(std::int64_t time) const {
  const std::int64_t at =
      static_cast<std::int64_t>(epoch_ns_) + time * static_cast<std::int64_t>(scale_);
  if (at <= MonotonicNow()) return;
  const timespec until{.tv_sec = at / kSecond, .tv_nsec = at % kSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

void Lateness::Meet(std::int64_t deadline, std::int64_t now) {
  worst_ns_ = std::max(worst_ns_, now - deadline);
  total_ns_ += std::max<std::int64_t>(0, now - std::max(deadline, counted_until_));
  counted_until_ = std::max(counted_until_, now);
}

}  // namespace tranche::sim::workloads
