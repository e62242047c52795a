// How long a kernel says that it computes.
//
// A line `// tranche-cost: param N ns` of PTX, directly before that of an .entry, means that the
// kernel's parameter N (from 0; 4 or 8 bytes) is its time in nanoseconds. So that it also takes
// that time on a real GPU, such a kernel waits until %globaltimer has risen by as much.
//
// Threading: safe on any thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sim/ptx/image.h"

namespace tranche::sim::ptx {

inline constexpr std::uint64_t kMaxCostNs = 3'600'000'000'000;  // an hour

// None: the kernel does not say.
std::optional<std::uint64_t> StatedCostNs(const Kernel& kernel,
                                          std::span<const std::uint8_t> params);

}  // namespace tranche::sim::ptx
