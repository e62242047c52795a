#include "sim/workloads/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace tranche::sim::workloads {
namespace {

using testing::HasSubstr;

Settings Steady() {
  Settings settings;
  ParseSettings({"steady"}, settings);
  return settings;
}

std::unique_ptr<Outcome> Process(std::int64_t begin, std::int64_t end, std::uint64_t done) {
  auto outcome = std::make_unique<Outcome>();
  outcome->pid = 42;
  outcome->begin_ns = begin;
  outcome->end_ns = end;
  outcome->launched = outcome->done = done;
  return outcome;
}

TEST(Outcome, ErrorsAreCountedByCode) {
  Outcome outcome{};
  CountError(outcome, 2, "CUDA_ERROR_OUT_OF_MEMORY");
  CountError(outcome, 2, "CUDA_ERROR_OUT_OF_MEMORY");
  CountError(outcome, 46, "CUDA_ERROR_DEVICE_UNAVAILABLE");
  EXPECT_EQ(outcome.error_kinds, 2U);
  EXPECT_EQ(outcome.errors[0].count, 2U);
  for (int code = 100; code < 200; ++code) CountError(outcome, code, "x");
  EXPECT_EQ(outcome.error_kinds, kMaxErrors);
}

TEST(Outcome, SamplesAreBounded) {
  auto outcome = std::make_unique<Outcome>();
  for (std::uint64_t i = 0; i < 3 * kMaxSamples; ++i) AddLatency(*outcome, 5, i * 7919);
  EXPECT_EQ(outcome->sample_count, kMaxSamples);
  EXPECT_EQ(outcome->latencies, 3 * kMaxSamples);
}

TEST(Report, AddsTheProcessesUp) {
  const auto one = Process(1'000'000'000, 3'000'000'000, 100);
  const auto two = Process(1'000'000'000, 3'000'000'000, 300);
  two->late_ns = 20'000'000;
  CountError(*two, 2, "CUDA_ERROR_OUT_OF_MEMORY");
  const std::string text = JsonReport(Steady(), {one.get(), two.get()});
  EXPECT_THAT(text, HasSubstr(R"("total": {"seconds": 2.000000, "launched": 400, "done": 400, )"
                              R"("done_per_s": 200.000)"));
  EXPECT_THAT(text, HasSubstr(R"("late": {"share": 0.010000)"));
  EXPECT_THAT(text, HasSubstr(R"("errors": {"CUDA_ERROR_OUT_OF_MEMORY": 1})"));
  EXPECT_THAT(text, HasSubstr(R"("pid": 42)"));
}

TEST(Report, PercentilesAreThoseOfAllSamples) {
  const auto outcome = Process(0, 1'000'000'000, 100);
  for (int i = 1; i <= 100; ++i) AddLatency(*outcome, i * 1'000'000, 0);
  const std::string text = JsonReport(Steady(), {outcome.get()});
  EXPECT_THAT(text, HasSubstr(R"("count": 100, "p50": 51.0000, "p99": 100.0000, "max": 100.0000)"));
  EXPECT_THAT(TextReport(Steady(), {outcome.get()}), HasSubstr("p50 51.000 ms"));
}

TEST(Report, AProcessThatNeverBeganHasNoSpan) {
  const auto outcome = Process(0, 0, 0);
  std::snprintf(outcome->failed, sizeof outcome->failed, "no \"driver\"");
  EXPECT_EQ(LateShare(*outcome), 0);
  EXPECT_THAT(JsonReport(Steady(), {outcome.get()}), HasSubstr(R"("failed": "no \"driver\"")"));
  EXPECT_THAT(TextReport(Steady(), {outcome.get()}), HasSubstr("no GPU"));
}

}  // namespace
}  // namespace tranche::sim::workloads
