#include "cli/sim/driver.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/testing/temp_dir.h"

namespace tranche::cli::sim {
namespace {

struct Ran {
  int exit_code = -1;
  bool refused = false;  // as typed wrongly
  std::string out;
};

Ran Type(std::vector<std::string> words) {
  CLI::App app;
  Ran ran;
  AddSimDriverCommands(app, ran.exit_code);
  std::reverse(words.begin(), words.end());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  try {
    app.parse(words);
  } catch (const CLI::ParseError&) {
    ran.refused = true;
  }
  ran.out = ::testing::internal::GetCapturedStdout();
  ::testing::internal::GetCapturedStderr();
  return ran;
}

TEST(SimDriverCommandsTest, WhatMakesNoSenseIsRefused) {
  const base::testing::TempDir folder;
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--time-scale", "0"},
                                                {"--time-scale", "1.5"},
                                                {"--switch-cost", "50"},
                                                {"--switch-cost", "-1us"},
                                                {"--slice", "0ms"},
                                                {"--slice", "1h"},
                                                {"--slice", "1ns"},
                                                {"--log-size", "10"}}) {
    std::vector<std::string> words{"driver", "--root", folder.path()};
    words.insert(words.end(), wrong.begin(), wrong.end());
    EXPECT_TRUE(Type(words).refused) << wrong[0] << " " << wrong[1];
  }
}

TEST(SimDriverCommandsTest, WithoutANodeNothingIsServedOrShown) {
  const base::testing::TempDir folder;
  const Ran serve = Type({"driver", "--root", folder.path(), "--switch-cost", "0.2ms"});
  EXPECT_FALSE(serve.refused);
  EXPECT_EQ(serve.exit_code, 1);
  EXPECT_EQ(Type({"driver-status", "--root", folder.path()}).exit_code, 2);
  EXPECT_EQ(Type({"trace", "--root", folder.path()}).exit_code, 2);
  EXPECT_EQ(Type({"trace", "--chrome", "--root", folder.path()}).exit_code, 2);
}

TEST(SimDriverCommandsTest, ATraceTellsOfEveryProcessAndOfBothFiles) {
  const base::testing::TempDir folder;
  const std::string log = folder / "var/log/tranche-sim/driver.jsonl";
  ASSERT_TRUE(base::WriteFileAtomic(
                  log + ".1",
                  R"({"event":"process","ns":1000000,"pid":7,"client":1,"name":"trainer"})"
                  "\n"
                  R"({"event":"run","slot":0,"gpu_instance":null,"context":1,"pid":7,"client":1,)"
                  R"("begun_ns":2000000,"ended_ns":5000000,"computed_ns":3000000,)"
                  R"("switched_ns":50000,"kernels":2,"kernel":"spin"})"
                  "\n")
                  .ok());
  ASSERT_TRUE(
      base::WriteFileAtomic(
          log, R"({"event":"run","slot":0,"gpu_instance":null,"context":1,"pid":7,"client":1,)"
               R"("begun_ns":6000000,"ended_ns":7000000,"computed_ns":1000000,)"
               R"("switched_ns":0,"kernels":1,"kernel":"spin"})"
               "\n"
               R"({"event":"memory","what":"refused","ns":8000000,"pid":7,"client":1,"context":1,)"
               R"("slot":0,"gpu_instance":null,"asked_bytes":1,"taken_bytes":0,"free_bytes":0})"
               "\nhalf a li")
          .ok());
  const Ran table = Type({"trace", "--root", folder.path()});
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_NE(table.out.find("7 (trainer)    0    1.000  8.000        4.000        3"),
            std::string::npos)
      << table.out;
  const Ran chrome = Type({"trace", "--chrome", "--root", folder.path()});
  const auto events = base::Json::Parse(chrome.out);
  ASSERT_TRUE(events.ok()) << chrome.out;
  int spans = 0;
  for (const base::Json& event : events->as_array()) {
    if (event.Find("ph")->as_string() == "X") ++spans;
  }
  EXPECT_EQ(spans, 4) << "each on the GPU's track and on the process's";
}

}  // namespace
}  // namespace tranche::cli::sim
