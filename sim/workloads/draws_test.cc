#include "sim/workloads/draws.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tranche::sim::workloads {
namespace {

TEST(Draws, ASeedGivesTheSameNumbers) {
  Draws a(7);
  Draws b(7);
  Draws c(8);
  const auto first = a.Lognormal(1'000'000, 0.5);
  EXPECT_EQ(first, b.Lognormal(1'000'000, 0.5));
  EXPECT_NE(first, c.Lognormal(1'000'000, 0.5));
}

TEST(Draws, MeanAndVariationAreThoseAskedFor) {
  constexpr int kCount = 100'000;
  Draws draws(1);
  double sum = 0;
  double squares = 0;
  double thinking = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto value = static_cast<double>(draws.Lognormal(1'000'000, 0.5));
    sum += value;
    squares += value * value;
    thinking += static_cast<double>(draws.Exponential(1'000'000));
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1'000'000, 10'000);
  EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean) / mean, 0.5, 0.02);
  EXPECT_NEAR(thinking / kCount, 1'000'000, 15'000);
}

TEST(Draws, WithoutVariationThereIsNothingToDraw) {
  Draws draws(1);
  EXPECT_EQ(draws.Lognormal(5000, 0), 5000);
  EXPECT_EQ(draws.Lognormal(0, 0.5), 0);
  EXPECT_EQ(draws.Exponential(0), 0);
}

}  // namespace
}  // namespace tranche::sim::workloads
