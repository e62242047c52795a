#include "cli/top/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/top/columns.h"

namespace tranche::cli::top {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<Line> Lines(const std::vector<std::string>& texts) {
  std::vector<Line> lines;
  for (const std::string& text : texts) lines.push_back(Line{}.Add(text));
  return lines;
}

TEST(LineTest, IsCutAcrossItsParts) {
  const Line line = Line{}.Add("abc").Add("defgh");
  EXPECT_EQ(Render(line, 8, {}), "abcdefgh");
  EXPECT_EQ(Render(line, 6, {}), "abcde…");
  EXPECT_EQ(Render(line, 2, {}), "a…");
}

TEST(LineTest, ReachesAColumn) {
  EXPECT_EQ(Render(Line{}.Add("ab").To(4).Add("c"), 80, {}), "ab  c");
  EXPECT_EQ(Render(Line{}.Add("abcde").To(4).Add("c"), 80, {}), "abcdec");
}

TEST(LineTest, HasColourOnlyWhereItIsWanted) {
  const Line line = Line{}.Add("x", Tint::kBad);
  EXPECT_EQ(Render(line, 80, {.color = common::Color::kOn}), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Render(line, 80, {.color = common::Color::kOff}), "x");
}

TEST(LineTest, IsAsciiWhereTheTerminalKnowsNoMore) {
  EXPECT_EQ(Render(Line{}.Add("██░ 日…"), 80, {.unicode = false}), "##. ??~");
}

TEST(FramesTest, TheFirstFrameIsAllLinesAndClearsNothing) {
  Frames frames({});
  const std::string first = frames.Next(Lines({"one", "two"}), 10);
  EXPECT_EQ(first, "\x1b[?2026h\x1b[1;1Hone\x1b[K\x1b[2;1Htwo\x1b[K\x1b[?2026l");
  EXPECT_THAT(first, AllOf(Not(HasSubstr("\x1b[2J")), Not(HasSubstr("\x1b[J"))));
}

TEST(FramesTest, OnlyWhatChangedIsWritten) {
  Frames frames({});
  frames.Next(Lines({"one", "two", "three"}), 10);
  EXPECT_EQ(frames.Next(Lines({"one", "two", "three"}), 10), "");
  EXPECT_EQ(frames.Next(Lines({"one", "2", "three"}), 10),
            "\x1b[?2026h\x1b[2;1H2\x1b[K\x1b[?2026l");
}

TEST(FramesTest, AnotherSizeIsANewScreen) {
  Frames frames({});
  frames.Next(Lines({"one", "two"}), 10);
  EXPECT_THAT(frames.Next(Lines({"one", "two"}), 11), AllOf(HasSubstr("one"), HasSubstr("two")));
  EXPECT_THAT(frames.Next(Lines({"one", "two", ""}), 11), HasSubstr("one"));
  frames.Forget();
  EXPECT_THAT(frames.Next(Lines({"one", "two", ""}), 11), HasSubstr("one"));
}

TEST(FramesTest, NothingIsErasedBehindTheLastColumn) {
  Frames frames({});
  EXPECT_THAT(frames.Next(Lines({"0123456789"}), 10), Not(HasSubstr("\x1b[K")));
  EXPECT_THAT(frames.Next(Lines({"0123456789abc"}), 10),
              AllOf(HasSubstr("012345678…"), Not(HasSubstr("\x1b[K"))));
}

}  // namespace
}  // namespace tranche::cli::top
