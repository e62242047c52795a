#include "shim/nvml/start_ticks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace tranche::shim::nvml {
namespace {

std::optional<std::uint64_t> Read(const std::string& text) {
  std::uint64_t ticks = 0;
  if (!ReadStartTicks(text.data(), text.size(), &ticks)) return std::nullopt;
  return ticks;
}

std::string Stat(const std::string& name) {
  return "12 (" + name + ") S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 4711 23 24\n";
}

TEST(StartTicksTest, TheNameMovesNothing) {
  for (const char* name : {"python3", "", "a b", ") S 1 2 3", "((()", "x) 1 (y"}) {
    EXPECT_EQ(Read(Stat(name)), 4711U) << name;
  }
}

TEST(StartTicksTest, WhatIsNoneIsRefused) {
  EXPECT_EQ(Read(""), std::nullopt);
  EXPECT_EQ(Read("12 (name"), std::nullopt);
  EXPECT_EQ(Read("12 (name) S 4 5"), std::nullopt);
  EXPECT_EQ(Read("12 (n) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21"), std::nullopt);
  EXPECT_EQ(Read("12 (n) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 -1 23"), std::nullopt);
  EXPECT_EQ(Read("12 (n) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 99999999999999999999 1"),
            std::nullopt);
}

TEST(StartTicksTest, TheKernelsOwnTextIsRead) {
  std::ifstream file("/proc/self/stat");
  std::stringstream text;
  text << file.rdbuf();
  const auto ticks = Read(text.str());
  ASSERT_TRUE(ticks.has_value());
  EXPECT_GT(*ticks, 0U);
}

}  // namespace
}  // namespace tranche::shim::nvml
