// How figures of GPUs are written for a person, in a terminal and in tables.
//
// Threading: plain functions, safe on any thread.
// Errors: none. What is not known is "-".
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "cli/top/use.h"

namespace tranche::cli::top {

inline constexpr char kNotKnown[] = "-";

std::string Percent(const std::optional<double>& percent);  // "61.2 %"
std::string Bytes(const std::optional<double>& bytes);      // "30.1 GiB", "512 MiB"
// "30.1/40.0 GiB": both in the unit of the whole. Without a whole, as Bytes.
std::string BytesOf(const std::optional<double>& part, const std::optional<double>& whole);
std::string Whole(const std::optional<double>& count);    // "3"
std::string Span(double seconds);                         // "12 s", "5 min", "3 h", "2 d"
std::string Seconds(const std::optional<double>& value);  // "1234.5 s"

// Whether it has computed within the last seconds, as far as can be known.
bool IsBusy(const PodUse& pod);
// How long it has not computed: "" for one that does, "-" where it is not known. `now` in seconds
// of the wall clock.
std::string Idle(const PodUse& pod, double now);

// "3 of 4 held"; "" where neither is known.
std::string Replicas(const DeviceUse& device);
// "GPU 0", or "GPU 0:1 1g.10gb" of a MIG device.
std::string DeviceTitle(const DeviceUse& device);

// `part` of `whole` as a bar of so many columns; all empty where one is not known.
std::string BarOf(const std::optional<double>& part, const std::optional<double>& whole,
                  std::size_t columns);

}  // namespace tranche::cli::top
