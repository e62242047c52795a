// How commands read a duration that is typed: "1.5ms", "10us", "1h30m".
//
// Threading: plain functions, safe on any thread.
// Errors: a text that says what is wrong.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace tranche::cli::common {

// For CLI::Validator: turns a duration into its nanoseconds in digits, or says why it cannot.
std::function<std::string(std::string&)> DurationBetween(std::chrono::nanoseconds least,
                                                         std::chrono::nanoseconds most);

}  // namespace tranche::cli::common
