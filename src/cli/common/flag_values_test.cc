#include "cli/common/flag_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::common {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FlagValues Values(std::vector<config::Override> environment,
                  std::vector<config::Override> command_line) {
  return FlagValues({.flags = {{.title = "Some",
                                .flags = {Flag("color").Default("red"), BoolFlag("loud", true),
                                          ListFlag("words"), ListFlag("kinds").Default("plain")}}},
                     .environment = std::move(environment),
                     .command_line = std::move(command_line)});
}

TEST(FlagValuesTest, WhatIsNotGivenIsTheDefaultOfTheTable) {
  const FlagValues values = Values({}, {});
  EXPECT_EQ(values.Text("color"), "red");
  EXPECT_TRUE(values.Bool("loud"));
  EXPECT_THAT(values.List("words"), IsEmpty());
  EXPECT_THAT(values.List("kinds"), ElementsAre("plain"));
}

TEST(FlagValuesTest, TheCommandLineBeatsTheEnvironmentWhichBeatsTheDefault) {
  EXPECT_EQ(Values({{"color", {"blue"}, ""}}, {}).Text("color"), "blue");
  EXPECT_EQ(Values({{"color", {"blue"}, ""}}, {{"color", {"green"}, ""}}).Text("color"), "green");
  EXPECT_FALSE(Values({{"loud", {"true"}, ""}}, {{"loud", {"false"}, ""}}).Bool("loud"));
  EXPECT_THAT(Values({{"words", {"a"}, ""}}, {{"words", {"b", "", "c"}, ""}}).List("words"),
              ElementsAre("b", "c"));
}

TEST(FlagValuesTest, AnEmptyValueIsAValueUnlessItIsNotToBe) {
  const FlagValues values = Values({{"color", {""}, ""}}, {});
  EXPECT_EQ(values.Text("color"), "");
  EXPECT_EQ(values.TextUnlessEmpty("color"), "red");
}

TEST(FlagValuesDeathTest, AFlagInNoTableIsABrokenInvariant) {
  EXPECT_DEATH(static_cast<void>(Values({}, {}).Text("colour")), "");
}

}  // namespace
}  // namespace tranche::cli::common
