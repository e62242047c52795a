#include "config/units.h"

#include <gtest/gtest.h>

namespace tranche::config {
namespace {

using std::chrono::nanoseconds;

TEST(ParseGoDurationTest, ReadsWhatGoReads) {
  EXPECT_EQ(*ParseGoDuration("60s"), nanoseconds(60'000'000'000));
  EXPECT_EQ(*ParseGoDuration("1h1m1s"), nanoseconds(3'661'000'000'000));
  EXPECT_EQ(*ParseGoDuration("1.5s"), nanoseconds(1'500'000'000));
  EXPECT_EQ(*ParseGoDuration(".5us"), nanoseconds(500));
  EXPECT_EQ(*ParseGoDuration("-2ms"), nanoseconds(-2'000'000));
  EXPECT_EQ(*ParseGoDuration("0"), nanoseconds(0));
  EXPECT_EQ(*ParseGoDuration("2562047h47m16.854775807s"), nanoseconds::max());
}

TEST(ParseGoDurationTest, ErrorsAreGosTexts) {
  EXPECT_EQ(ParseGoDuration("60").status().message(), "time: missing unit in duration \"60\"");
  EXPECT_EQ(ParseGoDuration("5x").status().message(),
            "time: unknown unit \"x\" in duration \"5x\"");
  for (const char* bad : {"", "s", ".s", "-", "1s2", "9999999999h", "2562047h47m16.854775808s"}) {
    EXPECT_FALSE(ParseGoDuration(bad).ok()) << bad;
  }
}

TEST(GoDurationTextTest, PrintsAsGo) {
  EXPECT_EQ(GoDurationText(nanoseconds(60'000'000'000)), "1m0s");
  EXPECT_EQ(GoDurationText(nanoseconds(3'600'000'000'000)), "1h0m0s");
  EXPECT_EQ(GoDurationText(nanoseconds(1'500'000'000)), "1.5s");
  EXPECT_EQ(GoDurationText(nanoseconds(60)), "60ns");
  EXPECT_EQ(GoDurationText(nanoseconds(0)), "0s");
}

TEST(ParseQuantityTest, ReadsSuffixesAndRoundsUp) {
  EXPECT_EQ(*ParseQuantity("512Mi"), 512ULL << 20U);
  EXPECT_EQ(*ParseQuantity("1.5Gi"), 3ULL << 29U);
  EXPECT_EQ(*ParseQuantity("2G"), 2'000'000'000U);
  EXPECT_EQ(*ParseQuantity("2e9"), 2'000'000'000U);
  EXPECT_EQ(*ParseQuantity("1500m"), 2U);
  EXPECT_EQ(*ParseQuantity("7Ei"), 7ULL << 60U);
  for (const char* bad : {"", "Mi", "1Xi", "1 Gi", "-1", "8Ei", "1e99", "1.2.3", "0x10"}) {
    EXPECT_FALSE(ParseQuantity(bad).ok()) << bad;
  }
}

TEST(ParsePercentTest, BoundsAndDecimals) {
  EXPECT_EQ(ParsePercent("0%")->thousandths, 0);
  EXPECT_EQ(ParsePercent("12.5%")->thousandths, 125);
  EXPECT_EQ(ParsePercent("100%")->thousandths, 1000);
  for (const char* bad : {"%", "25", "100.1%", "-1%", "1.25%", "25 %", "25%%"}) {
    EXPECT_FALSE(ParsePercent(bad).ok()) << bad;
  }
}

TEST(ParseGoBoolTest, TakesGosWordsOnly) {
  EXPECT_EQ(ParseGoBool("T"), true);
  EXPECT_EQ(ParseGoBool("False"), false);
  EXPECT_FALSE(ParseGoBool("yes").has_value());
  EXPECT_FALSE(ParseGoBool("").has_value());
}

}  // namespace
}  // namespace tranche::config
