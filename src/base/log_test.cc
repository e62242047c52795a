#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/log_output.h"

namespace tranche::base {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }

  static std::string Capture(const std::function<void()>& act) {
    ::testing::internal::CaptureStderr();
    act();
    return ::testing::internal::GetCapturedStderr();
  }
  static long Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }
};

TEST_F(LogTest, ALineHasTimeLevelMessageAndFields) {
  const std::string line = Capture([] {
    LogInfo("serving", {Kv("resource", "nvidia.com/gpu"), Kv("devices", 8), Kv("shared", true)});
  });
  EXPECT_THAT(
      line, ContainsRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z info "
                          "   serving resource=nvidia.com/gpu devices=8 shared=true\n$"));
}

TEST_F(LogTest, LevelsBelowTheMinimumAreNotWritten) {
  ConfigureLog(LogLevel::kWarning, LogFormat::kText);
  EXPECT_EQ(Capture([] {
              LogDebug("no");
              LogInfo("no");
            }),
            "");
  EXPECT_THAT(Capture([] { LogWarning("yes"); }), HasSubstr("warning yes"));
  EXPECT_THAT(Capture([] { LogError("yes"); }), HasSubstr("error   yes"));
  ConfigureLog(LogLevel::kDebug, LogFormat::kText);
  EXPECT_THAT(Capture([] { LogDebug("yes"); }), HasSubstr("debug   yes"));
}

TEST_F(LogTest, ValuesAreQuotedWhereTheyWouldBeMisread) {
  const std::string line = Capture([] {
    LogInfo("m", {Kv("a", ""), Kv("b", "two words"), Kv("c", "k=v"), Kv("d", "say \"hi\""),
                  Kv("e", "plain")});
  });
  EXPECT_THAT(line, EndsWith(" a=\"\" b=\"two words\" c=\"k=v\" d=\"say \\\"hi\\\"\" e=plain\n"));
}

TEST_F(LogTest, AValueCannotLeaveItsQuotes) {
  // A backslash before the closing quote, or before a quote inside, must not escape it.
  EXPECT_THAT(Capture([] {
                LogInfo("m", {Kv("a", "x y\\"), Kv("b", "z")});
              }),
              EndsWith(" a=\"x y\\\\\" b=z\n"));
  EXPECT_THAT(Capture([] {
                LogInfo("m", {Kv("a", "x\\\" level=info"), Kv("b", "z")});
              }),
              EndsWith(" a=\"x\\\\\\\" level=info\" b=z\n"));
}

TEST_F(LogTest, HostileStringsStayOnTheirLine) {
  const std::string hostile =
      "gpu\n2026-01-01T00:00:00Z error   forged\r\x1b[2J\x07\x7f\xff\xc2\x85"
      "\xe2\x80\xa8"
      "end";
  const std::string line = Capture([&] { LogWarning(hostile, {Kv("id", hostile)}); });
  EXPECT_EQ(Lines(line), 1);
  for (const char* raw : {"\x1b", "\x07", "\x7f", "\xff", "\r", "\xc2\x85", "\xe2\x80\xa8"}) {
    EXPECT_THAT(line, Not(HasSubstr(raw)));
  }
  EXPECT_THAT(line, HasSubstr("\\n2026-01-01T00:00:00Z error   forged\\x0d\\x1b[2J\\x07\\x7f\\xff"
                              "\\xc2\\x85\\xe2\\x80\\xa8end"));
}

TEST_F(LogTest, LongStringsAreCut) {
  const std::string line =
      Capture([] { LogInfo(std::string(1U << 20U, 'm'), {Kv("v", std::string(1U << 20U, 'v'))}); });
  EXPECT_LT(line.size(), 20000U);
  EXPECT_THAT(line, HasSubstr("m… v="));
  EXPECT_THAT(line, EndsWith("v…\n"));
}

TEST_F(LogTest, JsonIsOneObjectALine) {
  ConfigureLog(LogLevel::kInfo, LogFormat::kJson);
  const std::string text = Capture([] {
    LogInfo("first", {Kv("n", 3), Kv("text", "a \"b\"\n{\"level\":\"error\"}")});
    LogError("\xff\xfe second");
  });
  ASSERT_EQ(Lines(text), 2);
  const auto first = Json::Parse(text.substr(0, text.find('\n')));
  ASSERT_TRUE(first.ok()) << text;
  EXPECT_EQ(first->Find("level")->as_string(), "info");
  EXPECT_EQ(first->Find("message")->as_string(), "first");
  EXPECT_EQ(first->Find("n")->as_string(), "3");
  EXPECT_EQ(first->Find("text")->as_string(), "a \"b\"\\n{\"level\":\"error\"}");
  EXPECT_EQ(first->Find("time")->as_string().size(), 27U);
  const auto second = Json::Parse(text.substr(text.find('\n') + 1));
  ASSERT_TRUE(second.ok()) << text;
  EXPECT_EQ(second->Find("level")->as_string(), "error");
  EXPECT_EQ(second->Find("message")->as_string(), "\\xff\\xfe second");
}

TEST_F(LogTest, LinesOfSeveralThreadsDoNotMix) {
  const std::string text = Capture([] {
    std::vector<std::thread> threads;
    for (char c : {'a', 'b', 'c', 'd'}) {
      threads.emplace_back([c] {
        for (int i = 0; i < 25; ++i) LogInfo(std::string(200, c));
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_EQ(Lines(text), 100);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    EXPECT_EQ(line.substr(line.size() - 200), std::string(200, line.back()));
    at = end + 1;
  }
}

TEST(PrintableTest, LeavesValidUtf8) {
  EXPECT_EQ(Printable("größe ≤ 100 µs \xf0\x9f\x98\x80"), "größe ≤ 100 µs \xf0\x9f\x98\x80");
}

TEST(PrintableTest, WritesInvalidUtf8AsBytes) {
  EXPECT_EQ(Printable("\xc3"), "\\xc3");                             // cut short
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong '/'
  EXPECT_EQ(Printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong '/'
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(Printable("\xf0\x80\x80\x8a"), "\\xf0\\x80\\x80\\x8a");  // overlong newline
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(Printable("\xe2\x82x"), "\\xe2\\x82x");
}

TEST(PrintableTest, KeepsNulAndTabVisible) {
  EXPECT_EQ(Printable(std::string_view("a\0b\tc", 5)), "a\\x00b\\x09c");
}

// In a process of its own, whose budget no other test needs.
TEST(LogFloodDeathTest, AFloodIsCutAndWhatWasLeftOutIsSaid) {
  const auto flood = [] {
    for (int i = 0; i < 5000; ++i) LogInfo("flood");
    ReportLeftOutLines();
    std::exit(0);
  };
  EXPECT_EXIT(flood(), ::testing::ExitedWithCode(0),
              "lines of the log were left out over_budget=[0-9]+ unread=0 first=flood");
}

TEST(PrintableTest, CutsAtTheLimitAndSaysSo) {
  EXPECT_EQ(Printable("12345", 5), "12345");
  EXPECT_EQ(Printable("123456", 5), "12345…");
  EXPECT_EQ(Printable("", 0), "");
  // A limit inside a character costs at most that character.
  EXPECT_EQ(Printable("ää", 1), "ä…");
}

TEST(KvTest, WritesEachKindAsText) {
  EXPECT_EQ(Kv("k", 1.5).value, "1.5");
  EXPECT_EQ(Kv("k", false).value, "false");
  EXPECT_EQ(Kv("k", std::int64_t{-3}).value, "-3");
  EXPECT_EQ(Kv("k", std::uint64_t{18446744073709551615ULL}).value, "18446744073709551615");
  EXPECT_EQ(Kv("k", 7U).value, "7");
  EXPECT_EQ(Kv("k", std::chrono::nanoseconds(1'234'567)).value, "1.235ms");
}

TEST(OncePerTest, SaysYesOncePerPeriodAndKey) {
  OncePer once(std::chrono::seconds(10));
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  EXPECT_TRUE(once("a", now));
  EXPECT_FALSE(once("a", now));
  EXPECT_TRUE(once("b", now));
  now += std::chrono::milliseconds(9999);
  EXPECT_FALSE(once("a", now));
  now += std::chrono::milliseconds(1);
  EXPECT_TRUE(once("a", now));
  EXPECT_FALSE(once("a", now + std::chrono::seconds(9)));
}

TEST(OncePerTest, AFloodOfKeysIsForgottenInsteadOfKept) {
  OncePer once(std::chrono::hours(1));
  const std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(once(std::to_string(i), now));
  EXPECT_FALSE(once("4999", now));
  EXPECT_TRUE(once("0", now));
}

}  // namespace
}  // namespace tranche::base
