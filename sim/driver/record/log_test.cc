// The log and the sums, over much more work than they may keep.
#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/json.h"
#include "base/json_read.h"
#include "base/testing/temp_dir.h"
#include "sim/driver/machine.h"
#include "sim/driver/record/log_file.h"
#include "sim/driver/record/run_log.h"
#include "sim/driver/testing/program.h"

namespace tranche::sim::driver {
namespace {

using base::Json;
using base::testing::TempDir;
using link::Work;
using testing::NodeOf;
using testing::Program;

constexpr Time kUs = 1000;
constexpr Time kMs = 1000 * kUs;

std::vector<Json> Lines(const std::string& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto json = Json::Parse(line);
    EXPECT_TRUE(json.ok()) << line;
    if (json.ok()) lines.push_back(std::move(*json));
  }
  return lines;
}

std::vector<Json> Lines(const std::string& path, const std::string& event) {
  std::vector<Json> lines = Lines(path);
  std::erase_if(lines, [&](const Json& line) { return base::TextAt(line, "event") != event; });
  return lines;
}

std::uint64_t BytesIn(const std::string& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) bytes += entry.file_size();
  return bytes;
}

struct Rig {
  explicit Rig(std::uint64_t log_bytes = 1U << 20U)
      : file(std::move(LogFile::Open(folder / "log", log_bytes)).value()) {
    machine.Follow(NodeOf(1), 0);
  }
  TempDir folder;
  std::unique_ptr<LogFile> file;
  RunLog log{*file};
  Machine machine{{.hardware = {.slice = kMs, .switch_cost = 50 * kUs}}, log};
};

TEST(LogFileTest, KeepsItsLimitAndTheNewestLines) {
  const TempDir folder;
  constexpr std::uint64_t kLimit = 200'000;
  auto file = LogFile::Open(folder / "log", kLimit);
  ASSERT_TRUE(file.ok());
  std::uint64_t written = 0;
  for (int i = 0; written < 10 * kLimit; ++i) {
    const std::string line = R"({"n":)" + std::to_string(i) + "}";
    (*file)->Line(line);
    written += line.size() + 1;
    if (i % 1000 == 0) {
      ASSERT_LE(BytesIn(folder.path()), kLimit);
    }
  }
  (*file)->Flush();
  EXPECT_LE(BytesIn(folder.path()), kLimit);
  EXPECT_GT(BytesIn(folder.path()), kLimit / 3) << "there is what the limit allows";
  std::vector<Json> lines = Lines(folder / "log.1");
  for (Json& line : Lines(folder / "log")) lines.push_back(std::move(line));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    ASSERT_EQ(*base::IntAt(lines[i], "n"), *base::IntAt(lines[i - 1], "n") + 1);
  }
  EXPECT_EQ((*file)->lost(), 0U);
}

TEST(LogFileTest, EachFileBeginsWithWhatItNeeds) {
  const TempDir folder;
  auto file = LogFile::Open(folder / "log", 20'000);
  ASSERT_TRUE(file.ok());
  (*file)->SetBeginning([] { return std::string("{\"begin\":1}\n"); });
  for (int i = 0; i < 2000; ++i) (*file)->Line(R"({"n":12345})");
  (*file)->Flush();
  EXPECT_EQ(base::IntAt(Lines(folder / "log").front(), "begin"), 1);
}

TEST(RunLogTest, RunsThatFollowCloselyAreOneLine) {
  Rig rig;
  Program a(rig.machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  for (int i = 0; i < 1000; ++i) {
    a.Submit(0, Work::kKernel, 10 * kUs, i * 20 * kUs);
    rig.machine.AdvanceTo(i * 20 * kUs + 10 * kUs);
  }
  rig.machine.SettleAt(20 * kMs);
  rig.log.Close();
  rig.file->Flush();
  const auto runs = Lines(rig.folder / "log", "run");
  ASSERT_LE(runs.size(), 2U);
  std::int64_t computed = 0;
  std::int64_t kernels = 0;
  for (const Json& run : runs) {
    computed += *base::IntAt(run, "computed_ns");
    kernels += *base::IntAt(run, "kernels");
  }
  EXPECT_EQ(computed, 1000 * 10 * kUs);
  EXPECT_EQ(kernels, 1000);
}

TEST(RunLogTest, TurnsAreLinesWithTheirSwitches) {
  Rig rig;
  Program a(rig.machine, 1);
  Program b(rig.machine, 2);
  for (Program* program : {&a, &b}) {
    ASSERT_EQ(program->MakeContext().result, 0U);
    program->Submit(0, Work::kKernel, 5 * kMs);
  }
  rig.machine.SettleAt(20 * kMs);
  rig.log.Close();
  rig.file->Flush();
  std::map<std::int64_t, std::int64_t> computed;
  std::int64_t switched = 0;
  std::int64_t last_end = 0;
  for (const Json& run : Lines(rig.folder / "log", "run")) {
    computed[*base::IntAt(run, "pid")] += *base::IntAt(run, "computed_ns");
    switched += *base::IntAt(run, "switched_ns");
    EXPECT_GE(*base::IntAt(run, "begun_ns"), last_end) << "one computes at a time";
    last_end = *base::IntAt(run, "ended_ns");
  }
  EXPECT_EQ(computed[1], 5 * kMs);
  EXPECT_EQ(computed[2], 5 * kMs);
  EXPECT_EQ(switched + 10 * kMs, last_end) << "what was not computed was switched";
}

// What each line says was taken and freed, from what the device has to what is left.
TEST(RunLogTest, TheMemoryOfAllLinesAddsUp) {
  Rig rig;
  const auto free = [&] { return rig.machine.devices().Find(0, kWholeGpu)->memory->Free(); };
  const std::uint64_t all = free();
  Program a(rig.machine, 1);
  Program b(rig.machine, 2);
  const auto first = a.MakeContext();
  ASSERT_EQ(first.result, 0U);
  ASSERT_EQ(b.MakeContext().result, 0U);
  for (Program* program : {&a, &b}) {
    ASSERT_EQ(program->Reserve(64U << 20U).result, 0U);
    ASSERT_EQ(program->Reserve(1000).result, 0U);
    ASSERT_EQ(program->Reserve(8U << 20U, 0, link::kWholeGpu).result, 0U);
  }
  const std::uint64_t held = free();
  ASSERT_EQ(a.Ask<link::Answer>(link::ContextDestroy{.context = first.context, .reserved = 0}, kMs)
                .result,
            0U);
  const std::uint64_t left = free();
  EXPECT_GT(left, held + (64U << 20U));
  a.End(2 * kMs);
  b.End(3 * kMs);
  ASSERT_EQ(free(), all);
  rig.file->Flush();
  std::int64_t balance = static_cast<std::int64_t>(all);
  std::vector<std::int64_t> seen;
  for (const Json& line : Lines(rig.folder / "log")) {
    const auto says = base::IntAt(line, "free_bytes");
    if (!says) continue;
    const bool freed = base::TextAt(line, "what") == "freed";
    const std::int64_t bytes = base::IntAt(line, "taken_bytes").value_or(0);
    balance += base::IntAt(line, "freed_bytes").value_or(0) + (freed ? bytes : -bytes);
    EXPECT_EQ(balance, *says) << line.Dump();
    seen.push_back(*says);
  }
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back(), static_cast<std::int64_t>(all));
  EXPECT_NE(std::find(seen.begin(), seen.end(), left), seen.end());
}

TEST(RunLogTest, NamesFromOutsideForgeNothing) {
  Rig rig;
  Program a(rig.machine, 1);
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_TRUE(a.Say(KernelName{.name = 1, .text = "x\"}\n{\"event\":\"totals\"}\xff\x01"}, 0));
  ASSERT_TRUE(a.Say(MissingCall{.call = "cu\"\n\xfeZ"}, 0));
  ASSERT_TRUE(a.Say(link::Submit{.stream = 0,
                                 .work = Work::kKernel,
                                 .number = a.numbers.Next(0),
                                 .stamp_ns = 0,
                                 .amount = kMs,
                                 .name = 1},
                    0));
  rig.machine.SettleAt(2 * kMs);
  rig.log.Close();
  rig.file->Flush();
  EXPECT_TRUE(Lines(rig.folder / "log", "totals").empty());
  EXPECT_EQ(Lines(rig.folder / "log", "missing").size(), 1U);
  EXPECT_EQ(Lines(rig.folder / "log", "run").size(), 1U);
}

// Two programs that take turns at each launch, which is the most that there can be to write down,
// and programs that come and go.
TEST(RunLogTest, AMillionLaunchesLeaveLogAndMemoryBounded) {
  constexpr std::uint64_t kLimit = 2U << 20U;
  constexpr int kLaunches = 1'000'000;
  Rig rig(kLimit);
  Program a(rig.machine, 1);
  Program b(rig.machine, 2);
  ASSERT_EQ(a.MakeContext().result, 0U);
  ASSERT_EQ(b.MakeContext().result, 0U);
  Time now = 0;
  const auto launch = [&](int count) {
    for (int i = 0; i < count; ++i) {
      (i % 2 == 0 ? a : b).Submit(0, Work::kKernel, 10 * kUs, now);
      now += 100 * kUs;
      rig.machine.AdvanceTo(now);
      if (i % 1000 == 0) {
        Program brief(rig.machine, 1000 + i, now);
        TRANCHE_CHECK(brief.MakeContext(now).result == 0);
        const auto reserved = brief.Reserve(engine::kGranularity, now);
        TRANCHE_CHECK(reserved.result == 0);
        brief.End(now);
      }
    }
  };
  launch(kLaunches / 2);
  ASSERT_LE(BytesIn(rig.folder.path()), kLimit);
  const std::size_t before = mallinfo2().uordblks;
  launch(kLaunches / 2);
  rig.file->Flush();
  EXPECT_LE(BytesIn(rig.folder.path()), kLimit);
  EXPECT_LE(mallinfo2().uordblks, before + (256U << 10U));
  // Nothing of the sums is lost with the lines.
  Json status = Json::MakeObject();
  rig.machine.SettleAt(now);
  rig.machine.ledger().Describe(&status);
  std::int64_t kernels = 0;
  for (const Json& process : base::ItemsAt(status, "processes")) {
    kernels += *base::IntAt(process, "kernels");
  }
  EXPECT_EQ(kernels, kLaunches);
  EXPECT_EQ(
      *base::IntAt(status, {"ended_before", "reservations"}) + static_cast<std::int64_t>(kMaxEnded),
      kLaunches / 1000);
}

}  // namespace
}  // namespace tranche::sim::driver
