// How much of a device's memory the sharing config would let one share of it hold.
//
// Threading: pure.
// Errors: none; nullopt where the config sets no limit.
#pragma once

#include <cstdint>
#include <optional>

#include "config/config.h"

namespace tranche::node {

// Of a device of so much memory that is shared into so many replicas. A whole device has no limit.
std::optional<std::uint64_t> ShareLimit(const config::MemoryOptions& options,
                                        std::uint64_t device_bytes, int replicas);

}  // namespace tranche::node
