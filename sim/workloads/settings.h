// What a workload is told to do: its arguments as values.
//
// Threading: plain functions of their arguments, safe on any thread.
// Errors: ParseSettings gives a text that says what is wrong, in words for the person who typed it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/workloads/catalog.h"

namespace tranche::sim::workloads {

struct Settings {
  const WorkloadText* workload = nullptr;
  std::int64_t duration_ns = 10'000'000'000;
  std::int64_t kernel_ns = 1'000'000;
  double variation = 0;
  std::int64_t period_ns = 100'000'000;
  unsigned burst = 1;
  std::int64_t think_ns = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t piece_bytes = 0;
  unsigned streams = 1;
  unsigned processes = 1;
  unsigned in_flight = 0;
  unsigned device = 0;
  std::uint64_t seed = 1;
  std::optional<std::int64_t> start_at_ns;  // of CLOCK_MONOTONIC; none: when all are ready
  bool json = false;
};

// NAME [--option value | --option=value]…; "" where all is well.
std::string ParseSettings(const std::vector<std::string>& arguments, Settings& settings);

// A text where all is to begin at a time that has passed, else "".
std::string RefusePast(const Settings& settings, std::int64_t monotonic_now_ns);

// "10s", "0.5ms" as nanoseconds, "76Gi" as bytes; false where it is neither.
bool ParseTime(const std::string& text, std::int64_t& nanoseconds);
bool ParseSize(const std::string& text, std::uint64_t& bytes);

}  // namespace tranche::sim::workloads
