#include "sim/driver/record/trace.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/json_read.h"
#include "base/testing/temp_dir.h"

namespace tranche::sim::driver {
namespace {

using base::IntAt;
using base::Json;
using base::TextAt;

std::string Driver(int pid, std::int64_t epoch_ns, int file = 0, std::int64_t ns = 0) {
  return fmt::format(
      R"({{"event":"driver","ns":{},"pid":{},"time":"2026-01-01T00:00:00Z","epoch_ns":{},)"
      R"("time_scale":1,"file":{}}})"
      "\n",
      ns, pid, epoch_ns, file);
}

std::string Process(int pid, int client, const std::string& name) {
  return fmt::format(R"({{"event":"process","ns":1000000,"pid":{},"client":{},"name":"{}"}})"
                     "\n",
                     pid, client, name);
}

std::string RunOf(int pid, int client, int begun_ms, int ended_ms, const std::string& instance) {
  return fmt::format(
      R"({{"event":"run","slot":2,"gpu_instance":{},"context":{},"pid":{},"client":{},)"
      R"("begun_ns":{}000000,"ended_ns":{}000000,"computed_ns":{}000000,"switched_ns":0,)"
      R"("kernels":1,"kernel":"spin"}})"
      "\n",
      instance, client, pid, client, begun_ms, ended_ms, ended_ms - begun_ms);
}

class TraceTest : public ::testing::Test {
 protected:
  void Write(const std::string& older, const std::string& newer) {
    if (!older.empty()) std::ofstream(path() + ".1") << older;
    std::ofstream(path()) << newer;
  }
  [[nodiscard]] std::string path() const { return folder_ / "driver.jsonl"; }
  [[nodiscard]] std::string Text() const { return TableOfLog(path()).value(); }
  [[nodiscard]] std::vector<Json> Chrome() const {
    const auto trace = ChromeTraceOfLog(path());
    EXPECT_TRUE(trace.ok());
    const auto events = Json::Parse(*trace);
    EXPECT_TRUE(events.ok()) << *trace;
    return events.ok() ? events->as_array() : std::vector<Json>();
  }
  // The groups of tracks by name.
  [[nodiscard]] std::map<std::string, std::int64_t> Groups() const {
    std::map<std::string, std::int64_t> groups;
    for (const Json& event : Chrome()) {
      if (TextAt(event, "name") != "process_name") continue;
      groups.emplace(TextAt(event, {"args", "name"}), *IntAt(event, "pid"));
    }
    return groups;
  }

 private:
  base::testing::TempDir folder_;
};

// How many lines begin so.
int Count(const std::string& text, const std::string& begin) {
  int count = text.starts_with(begin) ? 1 : 0;
  for (std::size_t at = text.find('\n' + begin); at != std::string::npos;
       at = text.find('\n' + begin, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(TraceTest, NoLogIsNotFound) {
  EXPECT_EQ(TableOfLog(path()).status().code(), base::Code::kNotFound);
  EXPECT_EQ(ChromeTraceOfLog(path()).status().code(), base::Code::kNotFound);
}

TEST_F(TraceTest, APidThatIsUsedAgainIsAnotherRow) {
  Write("", Driver(100, 5) + Process(7, 1, "first") + RunOf(7, 1, 2, 5, "null") +
                Process(7, 2, "second") + RunOf(7, 2, 6, 7, "null"));
  const std::string text = Text();
  EXPECT_NE(text.find("7 (first)     2    1.000  5.000        3.000"), std::string::npos) << text;
  EXPECT_NE(text.find("7 (second)    2    1.000  7.000        1.000"), std::string::npos) << text;
  const auto groups = Groups();
  ASSERT_TRUE(groups.contains("process 7 (first)"));
  ASSERT_TRUE(groups.contains("process 7 (second)"));
  EXPECT_NE(groups.at("process 7 (first)"), groups.at("process 7 (second)"));
}

TEST_F(TraceTest, EachDriverHasItsOwnTableAndItsOwnPlaceInTime) {
  constexpr std::int64_t kLater = 60'000'000;
  Write(Driver(100, 5) + Process(7, 1, "old") + RunOf(7, 1, 2, 5, "null"),
        Driver(200, 5 + kLater) + Process(7, 1, "new") + RunOf(7, 1, 2, 3, "null"));
  const std::string text = Text();
  const std::size_t second = text.find("driver 200, begun 2026-01-01T00:00:00Z");
  ASSERT_NE(second, std::string::npos) << text;
  EXPECT_EQ(text.find("driver 100"), 0U);
  EXPECT_LT(text.find("7 (old)"), second);
  EXPECT_GT(text.find("7 (new)"), second);
  EXPECT_EQ(Count(text, "7 ("), 2) << text;
  EXPECT_EQ(text.find("not in the log"), std::string::npos) << "nothing was lost";
  std::set<std::int64_t> begun_us;
  for (const Json& event : Chrome()) {
    if (TextAt(event, "ph") == "X") {
      begun_us.insert(static_cast<std::int64_t>(*base::NumberAt(event, "ts")));
    }
  }
  EXPECT_EQ(begun_us, (std::set<std::int64_t>{2000, 62'000}));
}

TEST_F(TraceTest, ADriverWhoseClockBeganEarlierStandsBehindTheOneBefore) {
  Write(Driver(100, 1'000'000'000) + Process(7, 1, "old") + RunOf(7, 1, 2, 50, "null"),
        Driver(200, 5) + Process(8, 1, "after a restart") + RunOf(8, 1, 2, 3, "null"));
  double last = 0;
  for (const Json& event : Chrome()) {
    if (TextAt(event, "ph") == "X") last = std::max(last, *base::NumberAt(event, "ts"));
  }
  EXPECT_EQ(last, 52'000);
}

// A log that has been begun anew once is whole, since the one before is still there.
TEST_F(TraceTest, OneDriverOverTwoFilesIsOneTable) {
  Write(Driver(100, 5) + Process(7, 1, "trainer") + RunOf(7, 1, 2, 5, "null"),
        Driver(100, 5, 1, 6'000'000) + Process(7, 1, "trainer") + RunOf(7, 1, 6, 7, "null"));
  const std::string text = Text();
  EXPECT_EQ(Count(text, "driver "), 1) << text;
  EXPECT_EQ(Count(text, "7 ("), 1) << text;
  EXPECT_NE(text.find("  4.000  "), std::string::npos) << text;
  EXPECT_EQ(text.find("not in the log"), std::string::npos) << text;
}

TEST_F(TraceTest, SaysWhereTheBeginningIsCut) {
  Write(Driver(100, 5, 3, 6'500'000) + Process(7, 1, "trainer") + RunOf(7, 1, 7, 8, "null"),
        Driver(100, 5, 4, 8'000'000) + Process(7, 1, "trainer") + RunOf(7, 1, 8, 9, "null"));
  const std::string text = Text();
  EXPECT_NE(text.find("\nwhat happened before about 6.500 ms is not in the log any more"),
            std::string::npos)
      << text;
  bool said = false;
  for (const Json& event : Chrome()) {
    if (TextAt(event, "name").find("not in the log any more") == std::string::npos) continue;
    said = true;
    EXPECT_EQ(base::NumberAt(event, "ts"), 6500.0);
  }
  EXPECT_TRUE(said);
}

TEST_F(TraceTest, GpuInstancesAreNamed) {
  Write("",
        Driver(100, 5) + Process(7, 1, "a") + RunOf(7, 1, 2, 5, "1") + RunOf(7, 1, 5, 6, "null"));
  EXPECT_NE(Text().find("  2,2:gi1  "), std::string::npos) << Text();
  EXPECT_TRUE(Groups().contains("GPU 2, GPU instance 1"));
}

// Its first lines are gone, but the last one tells its name and when it began.
TEST_F(TraceTest, AProcessOfWhichOnlyTheEndIsThereHasItsName) {
  Write("", Driver(100, 5, 1, 1) + RunOf(7, 1, 2, 5, "null") +
                R"({"event":"process_end","ns":6000000,"pid":7,"client":1,"name":"gone",)"
                R"("begun_ns":500000,"totals":{}})"
                "\n");
  EXPECT_NE(Text().find("7 (gone)    2    0.500  6.000"), std::string::npos) << Text();
  EXPECT_TRUE(Groups().contains("process 7 (gone)"));
}

}  // namespace
}  // namespace tranche::sim::driver
