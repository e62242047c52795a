#include "cli/common/duration.h"

#include <gtest/gtest.h>

namespace tranche::cli::common {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

TEST(DurationTest, BecomesItsNanoseconds) {
  const auto read = DurationBetween(microseconds(1), hours(2));
  for (const auto& [typed, nanoseconds] : {std::pair<std::string, std::string>{"1us", "1000"},
                                           {"1.024ms", "1024000"},
                                           {"2m", "120000000000"},
                                           {"1h30m", "5400000000000"},
                                           {"2h", "7200000000000"}}) {
    std::string text = typed;
    EXPECT_EQ(read(text), "");
    EXPECT_EQ(text, nanoseconds);
  }
}

TEST(DurationTest, WhatIsRefusedIsToldTheLimitsAndTheUnits) {
  const auto read = DurationBetween(microseconds(1), hours(2));
  for (std::string text : {"1ns", "2h1ns", "-1us", "50", "1d", "", "soon"}) {
    const std::string typed = text;
    EXPECT_EQ(read(text), "\"" + typed +
                              "\" is not a duration of 1µs to 2h0m0s: a number and its unit, which "
                              "is ns, us, ms, s, m or h");
    EXPECT_EQ(text, typed);
  }
}

}  // namespace
}  // namespace tranche::cli::common
