#include "sim/workloads/driver_clock.h"

#include <gtest/gtest.h>

namespace tranche::sim::workloads {
namespace {

TEST(DriverClock, PassesMoreSlowlyByItsScale) {
  const DriverClock clock(1000, 4);
  EXPECT_EQ(clock.FromMonotonic(1000), 0);
  EXPECT_EQ(clock.FromMonotonic(5000), 1000);
  EXPECT_EQ(DriverClock().FromMonotonic(5000), 5000);
}

TEST(DriverClock, SleepsNoLessThanAsked) {
  const DriverClock clock(0, 2);
  const auto until = clock.Now() + 1'000'000;
  clock.SleepUntil(until);
  EXPECT_GE(clock.Now(), until);
  clock.SleepUntil(0);  // past: comes back
}

TEST(Lateness, AddsWhatWasLate) {
  Lateness lateness;
  lateness.Meet(100, 100);
  lateness.Meet(200, 230);
  lateness.Meet(300, 310);
  EXPECT_EQ(lateness.total_ns(), 40);
  EXPECT_EQ(lateness.worst_ns(), 30);
}

// One delay makes many deadlines late. The time for which it did so counts once.
TEST(Lateness, TimeInCommonCountsOnce) {
  Lateness lateness;
  lateness.Meet(100, 350);
  lateness.Meet(200, 351);
  lateness.Meet(300, 352);
  lateness.Meet(400, 400);
  EXPECT_EQ(lateness.total_ns(), 252);
  EXPECT_EQ(lateness.worst_ns(), 250);
}

}  // namespace
}  // namespace tranche::sim::workloads
