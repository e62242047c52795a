#include "cli/top/screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/top/columns.h"
#include "cli/top/testing/node_status.h"

namespace tranche::cli::top {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> Texts(const std::vector<Line>& lines, std::size_t columns) {
  std::vector<std::string> texts;
  for (const Line& line : lines) {
    std::string text = Render(line, columns, {});
    text.resize(text.find_last_not_of(' ') + 1);
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string Text(const Screen& screen, std::size_t columns = 80) {
  std::string out;
  for (const std::string& text : Texts(screen.lines, columns)) out += text + "\n";
  return out;
}

ScreenView View() {
  ScreenView view;
  view.now = testing::kNow;
  view.source = "http://127.0.0.1:9436";
  return view;
}

TEST(ScreenTest, ShowsGpusAndTheirPods) {
  const Screen screen = DrawScreen(testing::Node(), View());
  std::vector<std::string> texts = Texts(screen.lines, 80);
  ASSERT_EQ(texts.size(), 24U);
  texts.resize(12);
  EXPECT_THAT(
      texts,
      ElementsAre(
          "tranche top  gpu-node  2 GPUs, 3 pods, by busy",
          "  POD                              BUSY        MEMORY PROCS    IDLE",
          "GPU 0  NVIDIA A100-SXM4-80GB  healthy  312/400 W  61 °C  3 of 4 held  contended…",
          "  busy ███████████████░░  87.0 %  memory █████████░░░░░░░░ 42.0/80.0 GiB",
          "  team-a/train-0 main ██████░░░  61.2 % 30.0/20.0 GiB     4          over limit",
          "  default/stranger    ██░░░░░░░  25.8 %         1 MiB     1          not granted",
          "  team-b/notebook ju… ░░░░░░░░░   0.0 %      10.0 GiB     1  12 min",
          "  (no pod's)                                  1.0 GiB     2", "",
          "GPU 1:0 1g.10gb  NVIDIA A100-SXM4-80GB  Unhealthy: XID 79",
          "  busy - (mig)                    memory ░░░░░░░░░░░░░░░░░ 0.0/10.0 GiB", "  no pod"));
}

TEST(ScreenTest, HasAsManyLinesAsTheTerminalAndNoneTooLong) {
  for (std::size_t columns : {1, 2, 20, 45, 80, 111, 300}) {
    for (std::size_t rows : {1, 2, 3, 5, 24, 100}) {
      for (const bool help : {false, true}) {
        ScreenView view = View();
        view.columns = columns;
        view.rows = rows;
        view.help = help;
        view.trouble = "connection refused";
        view.scroll = 1000;
        const Screen screen = DrawScreen(testing::Node(), view);
        ASSERT_EQ(screen.lines.size(), rows);
        for (const Line& line : screen.lines) {
          EXPECT_LE(Columns(Render(line, columns, {})), columns);
        }
        EXPECT_GE(screen.page, 1U);
      }
    }
  }
}

TEST(ScreenTest, AWideTerminalShowsWholeNames) {
  ScreenView view = View();
  view.columns = 140;
  const std::string text = Text(DrawScreen(testing::Node(), view), 140);
  EXPECT_THAT(text, AllOf(HasSubstr("team-b/notebook jupyter"), HasSubstr("contended 12.0 %")));
}

TEST(ScreenTest, ScrollsNoFurtherThanTheEnd) {
  ScreenView view = View();
  view.rows = 8;
  view.scroll = 1000;
  const Screen screen = DrawScreen(testing::Node(), view);
  EXPECT_EQ(screen.page, 5U);
  EXPECT_EQ(screen.scroll, 6U);
  const std::string text = Text(screen);
  EXPECT_THAT(text, StartsWith("tranche top  gpu-node"));
  EXPECT_THAT(text, AllOf(HasSubstr("  no pod\n"), HasSubstr("lines 7 to 11 of 11")));
  EXPECT_THAT(text, Not(HasSubstr("GPU 0")));
}

TEST(ScreenTest, NoAnswerYetIsSaid) {
  ScreenView view = View();
  view.trouble = "connection refused";
  view.answered_before = 4;
  EXPECT_THAT(Text(DrawScreen(std::nullopt, view)),
              AllOf(HasSubstr("no answer yet for 4 s, asking again: connection refused"),
                    HasSubstr("waiting for http://127.0.0.1:9436")));
}

TEST(ScreenTest, TheLastFiguresStayAndSayHowOldTheyAre) {
  ScreenView view = View();
  view.trouble = "connection refused";
  view.answered_before = 130;
  EXPECT_THAT(Text(DrawScreen(testing::Node(), view)),
              AllOf(HasSubstr("no answer for 2 min, asking again: connection refused"),
                    HasSubstr("train-0")));
  EXPECT_THAT(Text(DrawScreen(testing::Node(), View())), Not(HasSubstr("no answer")));
}

TEST(ScreenTest, WhatIsDegradedIsSaid) {
  Json status = testing::NodeStatus();
  status.Set("degraded", Json::MakeTexts({"one", "two", "three", "four", "five"}));
  status.Set("fresh", false);
  EXPECT_THAT(Text(DrawScreen(testing::Node(status), View())),
              AllOf(HasSubstr("these figures are old"), HasSubstr("three\nand 2 more\n"),
                    Not(HasSubstr("four"))));
}

TEST(ScreenTest, ANodeWithoutGpusSaysSo) {
  Json status = testing::NodeStatus();
  status.Set("devices", Json::MakeArray());
  EXPECT_THAT(Text(DrawScreen(testing::Node(status), View())), HasSubstr("this node has no GPU"));
  status.Set("ready", false);
  EXPECT_THAT(Text(DrawScreen(testing::Node(status), View())), HasSubstr("no GPU is known yet"));
}

TEST(ScreenTest, HelpNamesTheKeys) {
  ScreenView view = View();
  view.help = true;
  EXPECT_THAT(Text(DrawScreen(testing::Node(), view)),
              AllOf(HasSubstr("q, Ctrl-C   quit"), Not(HasSubstr("GPU 0"))));
}

TEST(ScreenTest, AHostileNameMovesNothing) {
  Json status = testing::NodeStatus();
  Json pod = Json::MakeObject({{"namespace", "日本語日本語日本語日本語日本語"},
                               {"pod", "a\x1b[2J\n\u202e"},
                               {"busyPercent", 99}});
  Json device = Json::MakeObject(
      {{"index", "0\r"}, {"model", "M\x1b]0;x\x07"}, {"pods", Json::MakeArray({std::move(pod)})}});
  status.Set("devices", Json::MakeArray({std::move(device)}));
  const std::string text = Text(DrawScreen(testing::Node(status), View()));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\r")), Not(HasSubstr("\x07")),
                          Not(HasSubstr("\u202e"))));
  EXPECT_THAT(text, HasSubstr("99.0 %             -     -\n"));
}

}  // namespace
}  // namespace tranche::cli::top
