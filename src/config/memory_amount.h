// An amount of memory as a config or an annotation says it: a Kubernetes quantity, or a percent of
// the whole device.
//
// Threading: plain functions.
// Errors: kInvalidArgument, with words for who has written it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "config/config.h"

namespace tranche::config {

// "10Gi" or "12.5%". A bare number below 1Mi is refused: nobody means so few bytes.
base::Result<MemoryAmount> ParseMemoryAmount(std::string_view text);

// In bytes, of a device of so much memory.
std::uint64_t BytesOf(const MemoryAmount& amount, std::uint64_t device_bytes);

// "25%", and bytes as below.
std::string AmountText(const MemoryAmount& amount);

// "10Gi", "512Mi", and what is no whole number of those "1234.5Mi".
std::string BytesText(std::uint64_t bytes);

}  // namespace tranche::config
