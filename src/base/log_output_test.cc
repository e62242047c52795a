#include "base/log_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/file.h"

namespace tranche::base {
namespace {

using std::chrono::seconds;
using ::testing::EndsWith;
using ::testing::StartsWith;

long Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// Two ends of which nobody reads the one, as when a container runtime hangs.
class UnreadTest : public ::testing::TestWithParam<bool> {
 protected:
  UnreadTest() {
    int ends[2];
    const bool made = GetParam() ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
                                 : pipe2(ends, O_CLOEXEC) == 0;
    EXPECT_TRUE(made);
    read_end_ = UniqueFd(ends[0]);
    write_end_ = UniqueFd(ends[1]);
    fcntl(read_end_.get(), F_SETFL, O_NONBLOCK);
  }

  std::string ReadAll() {
    std::string text(1U << 22U, '\0');
    std::size_t have = 0;
    ssize_t got = 0;
    while ((got = read(read_end_.get(), text.data() + have, text.size() - have)) > 0) {
      have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    return text;
  }

  UniqueFd read_end_;
  UniqueFd write_end_;
};

// A write that waits would hang this test.
TEST_P(UnreadTest, LinesThatNobodyReadsAreDroppedWholeAndCounted) {
  LogOutput output(write_end_.get());
  const std::string line = std::string(999, 'x') + "\n";
  for (int i = 0; i < 3000; ++i) output.Write(line, "x");
  const std::string text = ReadAll();
  EXPECT_GT(Lines(text), 10);
  EXPECT_EQ(Lines(text) + static_cast<long>(output.left_out().unread), 3000);
  EXPECT_EQ(output.left_out().first, "x");
  for (std::size_t at = 0; at < text.size(); at += line.size()) {
    ASSERT_EQ(text.substr(at, line.size()), line);
  }
}

TEST_P(UnreadTest, TheyGetThroughAgainOnceSomebodyReads) {
  LogOutput output(write_end_.get());
  const TimePoint now{std::chrono::hours(1)};
  const std::string line = std::string(999, 'x') + "\n";
  while (output.left_out().unread == 0) output.Write(line, "x");
  EXPECT_TRUE(output.ReportIsDue(now));
  output.WriteReport("told\n", now);
  EXPECT_TRUE(output.ReportIsDue(now)) << "what nobody could read is not told";
  ReadAll();
  output.WriteReport("told\n", now);
  EXPECT_FALSE(output.ReportIsDue(now + seconds(10)));
  output.Write("next\n", "next");
  EXPECT_EQ(ReadAll(), "told\nnext\n");
}

// A line longer than the descriptor takes at once is ended before another begins.
TEST_P(UnreadTest, ALineThatHasBegunIsEnded) {
  LogOutput output(write_end_.get());
  const std::string line = std::string(700'000, 'a') + "\n";
  output.Write(line, "a");
  EXPECT_EQ(output.left_out().unread, 0U);
  output.Write("between\n", "between");
  EXPECT_EQ(output.left_out().unread, 1U);
  std::string text;
  for (int i = 0; i < 1000 && text.size() < line.size(); ++i) {
    text += ReadAll();
    output.Write("", "");
  }
  text += ReadAll();
  EXPECT_EQ(Lines(text), 1);
  EXPECT_THAT(text, StartsWith("aaa"));
  EXPECT_THAT(text, EndsWith("aaa\n"));
  output.Write("after\n", "after");
  EXPECT_EQ(ReadAll(), "after\n");
}

INSTANTIATE_TEST_SUITE_P(PipeAndSocket, UnreadTest, ::testing::Bool());

TEST(LogBudgetTest, AFloodIsCutToTheBudgetAndCounted) {
  LogOutput output(-1);
  TimePoint now{std::chrono::hours(1)};
  int written = 0;
  // 59,000 lines a second for ten seconds.
  for (int i = 0; i < 590'000; ++i) {
    if (output.Admit(LogLevel::kInfo, "flip " + std::to_string(i), now)) ++written;
    now += std::chrono::nanoseconds(16'949);
  }
  EXPECT_GE(written, LogOutput::kBurst);
  EXPECT_LE(written, LogOutput::kBurst + 10 * LogOutput::kPerSecond);
  EXPECT_EQ(written + static_cast<int>(output.left_out().over_budget), 590'000);
  EXPECT_THAT(output.left_out().first, StartsWith("flip "));
}

TEST(LogBudgetTest, AFloodOfOneKindLeavesTheOthersTheirRoom) {
  LogOutput output(-1);
  const TimePoint now{std::chrono::hours(1)};
  while (output.Admit(LogLevel::kInfo, "x", now)) {
  }
  while (output.Admit(LogLevel::kDebug, "x", now)) {
  }
  EXPECT_TRUE(output.Admit(LogLevel::kWarning, "x", now));
  EXPECT_TRUE(output.Admit(LogLevel::kError, "x", now));
}

TEST(LogBudgetTest, WhatWasLeftOutIsToldAtMostOnceASecond) {
  UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  LogOutput output(null.get());
  TimePoint now{std::chrono::hours(1)};
  int told = 0;
  for (int i = 0; i < 100'000; ++i) {
    output.Admit(LogLevel::kWarning, "x", now);
    if (output.ReportIsDue(now)) {
      output.WriteReport("told\n", now);
      ++told;
    }
    now += std::chrono::microseconds(100);
  }
  EXPECT_GE(told, 9);
  EXPECT_LE(told, 11);
}

}  // namespace
}  // namespace tranche::base
