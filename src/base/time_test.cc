#include "base/time.h"

#include <gtest/gtest.h>

#include <limits>

namespace tranche::base {
namespace {

TEST(Rfc3339Test, WritesUtcInWholeSeconds) {
  EXPECT_EQ(Rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(Rfc3339(1136214245), "2006-01-02T15:04:05Z");
  EXPECT_EQ(Rfc3339(951782400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(Rfc3339(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(Rfc3339(253402300799), "9999-12-31T23:59:59Z");
}

TEST(Rfc3339Test, NowIsNow) {
  const std::time_t before = std::time(nullptr);
  const std::string now = Rfc3339Now();
  const std::time_t after = std::time(nullptr);
  // Texts of one length and form compare as their times do.
  EXPECT_LE(Rfc3339(before), now);
  EXPECT_LE(now, Rfc3339(after));
}

TEST(Rfc3339DeathTest, AYearThatHasNoFourDigitsIsABrokenInvariant) {
  EXPECT_DEATH(static_cast<void>(Rfc3339(253402300800)), "broken invariant");
  EXPECT_DEATH(static_cast<void>(Rfc3339(std::numeric_limits<std::time_t>::max())),
               "broken invariant");
}

}  // namespace
}  // namespace tranche::base
