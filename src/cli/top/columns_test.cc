#include "cli/top/columns.h"

#include <gtest/gtest.h>

namespace tranche::cli::top {
namespace {

TEST(ColumnsTest, CountsWhatATerminalShows) {
  EXPECT_EQ(Columns(""), 0U);
  EXPECT_EQ(Columns("pod-1"), 5U);
  EXPECT_EQ(Columns("größe"), 5U);
  EXPECT_EQ(Columns("日本"), 4U);
  EXPECT_EQ(Columns("한국"), 4U);
  EXPECT_EQ(Columns("🚀"), 2U);
  EXPECT_EQ(Columns("█░…"), 3U);
  EXPECT_EQ(Columns("e\u0301"), 1U);
}

TEST(ColumnsTest, WhatIsNotSeenIsLeftOut) {
  EXPECT_EQ(Columns("a\u202eb\u200bc"), 3U);
  EXPECT_EQ(Cut("a\u202eb\u200bc", 10), "abc");
}

TEST(ColumnsTest, CutsAtTheWidthAndSaysSo) {
  EXPECT_EQ(Cut("abcdef", 6), "abcdef");
  EXPECT_EQ(Cut("abcdef", 5), "abcd…");
  EXPECT_EQ(Cut("abcdef", 1), "…");
  EXPECT_EQ(Cut("abcdef", 0), "");
  EXPECT_EQ(Cut("", 0), "");
}

TEST(ColumnsTest, AWideCharacterIsNeverHalved) {
  EXPECT_EQ(Cut("日本語", 6), "日本語");
  EXPECT_EQ(Cut("日本語", 5), "日本…");
  EXPECT_EQ(Cut("日本語", 4), "日…");
  EXPECT_EQ(Cut("日", 1), "…");
}

TEST(ColumnsTest, FillsToExactlyTheWidth) {
  EXPECT_EQ(FitLeft("ab", 4), "ab  ");
  EXPECT_EQ(FitRight("ab", 4), "  ab");
  EXPECT_EQ(FitLeft("日本語", 4), "日… ");
  for (std::size_t width = 0; width < 12; ++width) {
    for (const char* text : {"", "abcdef", "日本語", "a日b本", "🚀🚀🚀🚀🚀🚀🚀"}) {
      EXPECT_EQ(Columns(FitLeft(text, width)), width) << text;
      EXPECT_EQ(Columns(FitRight(text, width)), width) << text;
    }
  }
}

TEST(ColumnsTest, ACharacterThatIsCutOffIsNotReadBeyondItsEnd) {
  EXPECT_EQ(Columns("a\xe6"), 2U);
  EXPECT_EQ(Columns("\xf0\x9f"), 1U);
}

TEST(ColumnsTest, AsciiHasAsManyColumns) {
  EXPECT_EQ(ToAscii("█░ a…"), "#. a~");
  EXPECT_EQ(ToAscii("日x"), "??x");
  EXPECT_EQ(Columns(ToAscii("日本 60 °C 🚀")), Columns("日本 60 °C 🚀"));
}

}  // namespace
}  // namespace tranche::cli::top
