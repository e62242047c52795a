#include "sim/workloads/settings.h"

#include <gtest/gtest.h>

namespace tranche::sim::workloads {
namespace {

std::string Parse(const std::vector<std::string>& arguments, Settings& settings) {
  settings = Settings();
  return ParseSettings(arguments, settings);
}

TEST(Settings, TimesAndSizesHaveUnits) {
  std::int64_t time = 0;
  EXPECT_TRUE(ParseTime("10s", time));
  EXPECT_EQ(time, 10'000'000'000);
  EXPECT_TRUE(ParseTime("0.15ms", time));
  EXPECT_EQ(time, 150'000);
  std::uint64_t size = 0;
  EXPECT_TRUE(ParseSize("76Gi", size));
  EXPECT_EQ(size, 76ULL << 30U);
  EXPECT_TRUE(ParseSize("512", size));
  EXPECT_EQ(size, 512U);
  for (const char* wrong : {"", "10", "s", "-1s", "1e3s", "nan", "1 s", "1.2.3s", "99999999999m"}) {
    EXPECT_FALSE(ParseTime(wrong, time)) << wrong;
  }
  for (const char* wrong : {"", "Gi", "-1Gi", "1GB", "99999999999Ti"}) {
    EXPECT_FALSE(ParseSize(wrong, size)) << wrong;
  }
}

TEST(Settings, AWorkloadHasDefaultsThatOptionsReplace) {
  Settings settings;
  EXPECT_EQ(Parse({"requests", "--for", "2s", "--think=1ms", "-o", "json"}, settings), "");
  EXPECT_EQ(settings.workload->kind, Kind::kRequests);
  EXPECT_EQ(settings.burst, 10U);
  EXPECT_EQ(settings.duration_ns, 2'000'000'000);
  EXPECT_EQ(settings.think_ns, 1'000'000);
  EXPECT_TRUE(settings.json);
}

TEST(Settings, TheDefaultsOfEveryWorkloadAreOptions) {
  for (const WorkloadText& workload : kWorkloads) {
    Settings settings;
    EXPECT_EQ(Parse({std::string(workload.name)}, settings), "") << workload.name;
  }
}

TEST(Settings, EveryOptionIsTaken) {
  for (const OptionText& option : kOptions) {
    std::string value = "1";
    if (option.value == "TIME") value = "1ms";
    if (option.value == "FORMAT") value = "text";
    Settings settings;
    EXPECT_EQ(Parse({"steady", std::string(option.name), value}, settings), "") << option.name;
    EXPECT_NE(Parse({"steady", std::string(option.name), "x"}, settings), "") << option.name;
    EXPECT_NE(Parse({"steady", std::string(option.name)}, settings), "") << option.name;
  }
}

TEST(Settings, ASizeThatCannotBeCheckedIsRefused) {
  Settings settings;
  EXPECT_EQ(Parse({"check", "--memory", "256Mi"}, settings), "");
  EXPECT_NE(Parse({"check", "--memory", "257Mi"}, settings), "");
  EXPECT_NE(Parse({"check", "--memory", "3"}, settings), "");
  EXPECT_EQ(Parse({"hold", "--memory", "257Mi"}, settings), "");
}

TEST(Settings, AStartInThePastIsRefused) {
  Settings settings;
  EXPECT_EQ(Parse({"steady"}, settings), "");
  EXPECT_EQ(RefusePast(settings, 5'000'000'000), "");
  EXPECT_EQ(Parse({"steady", "--start-at", "5.5"}, settings), "");
  EXPECT_EQ(RefusePast(settings, 5'000'000'000), "");
  EXPECT_EQ(RefusePast(settings, 6'000'000'000),
            "--start-at is in the past: CLOCK_MONOTONIC reads 6 now");
  EXPECT_EQ(Parse({"steady", "--start-at", "0"}, settings), "");
  EXPECT_NE(RefusePast(settings, 5'000'000'000), "");
}

TEST(Settings, WhatIsWrongIsSaid) {
  Settings settings;
  EXPECT_EQ(Parse({}, settings), "which workload?");
  EXPECT_EQ(Parse({"stedy"}, settings), "no such workload: stedy");
  EXPECT_EQ(Parse({"steady", "--fro", "1s"}, settings), "no such option: --fro");
  EXPECT_EQ(Parse({"paced", "--period", "0s"}, settings).substr(0, 28),
            "--period takes a TIME, not '");
  EXPECT_NE(Parse({"steady", "--streams", "1.5"}, settings), "");
  EXPECT_NE(Parse({"steady", "--processes", "100000"}, settings), "");
  EXPECT_NE(Parse({"hold", "--piece", "0"}, settings), "");
  EXPECT_EQ(Parse({"steady", "--streams", "1024"}, settings), "");
  EXPECT_EQ(Parse({"steady", "--streams", "1025"}, settings),
            "--streams takes a COUNT, not '1025': Streams to launch on in turn; 1 to 1024");
}

}  // namespace
}  // namespace tranche::sim::workloads
