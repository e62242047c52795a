#include "cli/programs/unused_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::cli::programs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(UnusedValuesTest, NoneAreNoWarning) {
  EXPECT_THAT(UnusedValueWarnings(""), IsEmpty());
  EXPECT_THAT(UnusedValueWarnings("{}"), IsEmpty());
}

TEST(UnusedValuesTest, AMisspeltKeyIsToldWithTheNearestThatIsKnown) {
  EXPECT_THAT(UnusedValueWarnings(R"({"unused": ["devicePlugin.confg", "migstrategie"],
                                      "known": ["devicePlugin.config", "devicePlugin.env",
                                                "migStrategy"]})"),
              ElementsAre("values: devicePlugin.confg has no effect (did you mean "
                          "devicePlugin.config?)",
                          "values: migstrategie has no effect (did you mean migStrategy?)"));
}

TEST(UnusedValuesTest, WhatIsNoMistakeIsToldInOneLine) {
  // nfd is one letter from gfd, but a key of its own.
  EXPECT_THAT(
      UnusedValueWarnings(R"({"unused": ["nfd", "somethingNew"], "known": ["gfd", "nfd"]})"),
      ElementsAre("values: nfd, somethingNew without effect in this chart"));
}

TEST(UnusedValuesTest, HostileTextIsBounded) {
  EXPECT_THAT(UnusedValueWarnings("[1"), ElementsAre(HasSubstr("cannot be read")));
  EXPECT_THAT(UnusedValueWarnings(R"({"unused": "x", "known": 3})"), IsEmpty());
  EXPECT_THAT(UnusedValueWarnings(R"({"unused": ["a\u001b[2J"]})"),
              ElementsAre(Not(HasSubstr("\x1b"))));
  std::string many = R"({"unused": ["k")";
  for (int i = 0; i < 1000; ++i) many += ", \"" + std::string(500, 'k') + "\"";
  const auto warnings = UnusedValueWarnings(many + "]}");
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_LT(warnings[0].size(), 20'000U);
}

}  // namespace
}  // namespace tranche::cli::programs
