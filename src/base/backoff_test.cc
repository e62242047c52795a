#include "base/backoff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace tranche::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

std::vector<Duration> Pauses(Backoff& backoff, int count) {
  std::vector<Duration> pauses;
  for (int i = 0; i < count; ++i) pauses.push_back(backoff.Next());
  return pauses;
}

TEST(BackoffTest, EachPauseIsTwiceTheLastUpToTheLongest) {
  Backoff backoff({.first = seconds(5), .longest = minutes(1)});
  EXPECT_THAT(Pauses(backoff, 6), ElementsAre(seconds(5), seconds(10), seconds(20), seconds(40),
                                              seconds(60), seconds(60)));
}

TEST(BackoffTest, AnotherFactor) {
  Backoff backoff({.first = milliseconds(20), .longest = milliseconds(100), .factor = 1.5});
  EXPECT_THAT(Pauses(backoff, 6),
              ElementsAre(milliseconds(20), milliseconds(30), milliseconds(45),
                          std::chrono::microseconds(67'500), milliseconds(100), milliseconds(100)));
}

TEST(BackoffTest, AfterAResetItBeginsAgain) {
  Backoff backoff({.first = seconds(1), .longest = seconds(30)});
  Pauses(backoff, 10);
  EXPECT_EQ(backoff.Next(), seconds(30));
  backoff.Reset();
  EXPECT_THAT(Pauses(backoff, 2), ElementsAre(seconds(1), seconds(2)));
}

TEST(BackoffTest, StaysAtTheLongestForEver) {
  Backoff backoff({.first = milliseconds(1), .longest = minutes(5)});
  for (int i = 0; i < 10'000; ++i) {
    const Duration pause = backoff.Next();
    ASSERT_GT(pause, Duration::zero());
    ASSERT_LE(pause, minutes(5));
  }
  EXPECT_EQ(backoff.Next(), minutes(5));
}

TEST(BackoffTest, JitterMultipliesEachPauseAndDoesNotBuildUp) {
  double random = 0;
  Backoff backoff(
      {.first = seconds(4), .longest = seconds(16), .jitter_low = 0.5, .jitter_high = 1.5},
      [&] { return random; });
  EXPECT_EQ(backoff.Next(), seconds(2));
  random = 0.5;
  EXPECT_EQ(backoff.Next(), seconds(8));
  random = 0.75;
  EXPECT_EQ(backoff.Next(), seconds(20)) << "16 s * 1.25: the longest pause is one before jitter";
}

TEST(BackoffTest, OneSeedGivesOneRowOfPausesWithinTheBounds) {
  const Backoff::Options options{
      .first = seconds(1), .longest = seconds(64), .jitter_low = 0.75, .jitter_high = 1};
  Backoff one(options, SeededRandom(7));
  Backoff same(options, SeededRandom(7));
  Backoff other(options, SeededRandom(8));
  const std::vector<Duration> pauses = Pauses(one, 10);
  EXPECT_EQ(Pauses(same, 10), pauses);
  EXPECT_NE(Pauses(other, 10), pauses);
  Duration whole = seconds(1);
  for (const Duration pause : pauses) {
    EXPECT_GE(pause, whole * 3 / 4);
    EXPECT_LE(pause, whole);
    whole = std::min<Duration>(whole * 2, seconds(64));
  }
}

TEST(BackoffDeathTest, OptionsThatMakeNoSenseAreABrokenInvariant) {
  const auto make = [](Backoff::Options options) { return Backoff(options); };
  EXPECT_DEATH(make({.first = {}, .longest = seconds(1)}), "broken invariant");
  EXPECT_DEATH(make({.first = seconds(2), .longest = seconds(1)}), "broken invariant");
  EXPECT_DEATH(make({.first = seconds(1), .longest = seconds(2), .factor = 0.5}),
               "broken invariant");
  EXPECT_DEATH(make({.first = seconds(1), .longest = seconds(2), .jitter_low = 0.5}),
               "broken invariant")
      << "jitter without random numbers";
}

}  // namespace
}  // namespace tranche::base
