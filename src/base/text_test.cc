#include "base/text.h"

#include <gtest/gtest.h>

namespace tranche::base {
namespace {

TEST(TrimTest, TakesBlanksFromBothEndsOnly) {
  EXPECT_EQ(Trim("  a b\t"), "a b");
  EXPECT_EQ(Trim("\v\f\r\n0x10de\n"), "0x10de");
  EXPECT_EQ(Trim("ab"), "ab");
  EXPECT_EQ(Trim(""), "");
  EXPECT_EQ(Trim(" \t\r\n\v\f"), "");
}

TEST(TrimTest, OtherBlanks) {
  EXPECT_EQ(Trim("\v a ", " "), "\v a");
  EXPECT_EQ(Trim("--a-b-", "-"), "a-b");
}

TEST(TrimTest, PointsIntoTheText) {
  const std::string text = " ab ";
  EXPECT_EQ(Trim(text).data(), text.data() + 1);
}

TEST(DigitsTest, OnlyAsciiDigitsCount) {
  EXPECT_TRUE(IsDigit('0'));
  EXPECT_TRUE(IsDigit('9'));
  for (const char c : {'/', ':', 'a', '-', ' ', '\0', '\xb2'}) EXPECT_FALSE(IsDigit(c));
}

TEST(DigitsTest, AllDigitsNeedsOne) {
  EXPECT_TRUE(AllDigits("0"));
  EXPECT_TRUE(AllDigits("0123456789012345678901234567890"));
  EXPECT_FALSE(AllDigits(""));
  EXPECT_FALSE(AllDigits("12a"));
  EXPECT_FALSE(AllDigits("-1"));
  EXPECT_FALSE(AllDigits(std::string_view("1\0", 2)));
}

TEST(JoinTest, PutsTheSeparatorBetween) {
  EXPECT_EQ(Join({}, ","), "");
  EXPECT_EQ(Join({"a"}, ","), "a");
  EXPECT_EQ(Join({"a", "", "{}"}, ", "), "a, , {}");
}

}  // namespace
}  // namespace tranche::base
