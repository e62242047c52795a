// Reads values with units as people write them: Go durations, Kubernetes quantities, percents, and
// the words that Go takes for a boolean.
//
// Threading: plain functions, safe on any thread.
// Errors: kInvalidArgument, or an empty optional.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "config/config.h"

namespace tranche::config {

// "1h30m", "1.5s", "-2ms": https://pkg.go.dev/time#ParseDuration, its error texts included.
base::Result<std::chrono::nanoseconds> ParseGoDuration(std::string_view text);

// As Go prints one: "1m0s", "1.5s", "60ns".
std::string GoDurationText(std::chrono::nanoseconds duration);

// https://pkg.go.dev/strconv#ParseBool: 1 t T TRUE true True and 0 f F FALSE false False.
std::optional<bool> ParseGoBool(std::string_view text);

// strconv.ParseInt with base 0, no underscores.
std::optional<std::int64_t> ParseGoInt(std::string_view text);

// Bytes of a Kubernetes quantity ("512Mi", "1.5G", "2e9"), rounded up.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
base::Result<std::uint64_t> ParseQuantity(std::string_view text);

// "25%" or "12.5%": 0 to 100, one decimal at most.
base::Result<Milli> ParsePercent(std::string_view text);

}  // namespace tranche::config
