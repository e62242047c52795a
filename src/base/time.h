// The wall clock as text, for what people and other programs read beside their own clocks.
//
// Intervals and timeouts are never taken from here: the event loop's clock is steady.
//
// Threading: plain functions, safe on any thread.
// Errors: none; a time before the year 0 or after 9999 crashes.
#pragma once

#include <ctime>
#include <string>

namespace tranche::base {

// "2006-01-02T15:04:05Z": RFC 3339 in UTC, in whole seconds.
[[nodiscard]] std::string Rfc3339(std::time_t time);
[[nodiscard]] std::string Rfc3339Now();

}  // namespace tranche::base
