#include "node/sight/windows.h"

#include <gtest/gtest.h>

#include <map>

#include "node/sight/testing/sampled_gpu.h"

namespace tranche::node::sight {
namespace {

using testing::SampledGpu;

constexpr std::uint64_t kStart = 1'700'000'000'000'000;

class WindowsTest : public ::testing::Test {
 protected:
  void Look() {
    const auto busy = gpu_.BusySamples(windows_.cursor_us());
    const auto window =
        windows_.Next(gpu_.ProcessSamples(windows_.cursor_us()), &busy, gpu_.now_us());
    if (!window) return;
    length_ += window->seconds;
    busy_ += window->busy_seconds.value_or(0);
    for (const auto& [pid, seconds] : window->process_seconds) seconds_[pid] += seconds;
  }

  SampledGpu gpu_{kStart};
  Windows windows_;
  double length_ = 0;
  double busy_ = 0;
  std::map<unsigned, double> seconds_;
};

TEST_F(WindowsTest, NoSampleIsCountedTwiceAndNoneIsLost) {
  gpu_.Run({}, 12);
  Look();
  for (int i = 0; i < 360; ++i) {
    // Looked at in every rhythm, also before there is anything new.
    gpu_.Run({{7, 33.4}, {8, 21.3}}, i % 11);
    Look();
    Look();
  }
  EXPECT_NEAR(seconds_[7], gpu_.Seconds(7), 0.01 * gpu_.Seconds(7));
  EXPECT_NEAR(seconds_[8], gpu_.Seconds(8), 0.02 * gpu_.Seconds(8));
  EXPECT_NEAR(busy_, seconds_[7] + seconds_[8], 0.01 * busy_);
}

TEST_F(WindowsTest, WhatFollowsARestIsCountedOnce) {
  gpu_.Run({}, 12);
  Look();
  for (int i = 0; i < 20; ++i) {
    for (int look = 0; look < 10; ++look) {
      gpu_.Run({}, 6);
      Look();
    }
    for (int look = 0; look < 3; ++look) {
      gpu_.Run({{7, 80}}, 6);
      Look();
    }
  }
  gpu_.Run({}, 12);
  Look();
  EXPECT_NEAR(seconds_[7], gpu_.Seconds(7), 0.01 * gpu_.Seconds(7));
  EXPECT_NEAR(length_, 20 * 13, 3);
}

TEST_F(WindowsTest, WhatWasBeforeTheFirstLookIsNotCounted) {
  gpu_.Run({{7, 100}}, 60);
  Look();
  EXPECT_EQ(length_, 0);
  gpu_.Run({{7, 100}}, 60);
  Look();
  EXPECT_NEAR(seconds_[7], 10, 1.7);
}

TEST_F(WindowsTest, ProcessesNeverHaveMoreThanTheGpu) {
  gpu_.Run({}, 12);
  Look();
  gpu_.Run({}, 60);
  gpu_.Run({{7, 100}}, 1);
  // A driver that averages over what it has kept alone, which is the newest period.
  const auto busy = gpu_.BusySamples(windows_.cursor_us());
  const auto window = windows_.Next({{7, gpu_.now_us(), 100}}, &busy, gpu_.now_us());
  ASSERT_TRUE(window.has_value());
  EXPECT_NEAR(window->process_seconds.at(7), 1.0 / 6, 0.001);
}

TEST_F(WindowsTest, WithoutSamplesOfTheGpuThoseOfProcessesStand) {
  windows_.Next({}, nullptr, kStart);
  const auto window = windows_.Next({{7, kStart, 50}}, nullptr, kStart);
  ASSERT_TRUE(window.has_value());
  EXPECT_NEAR(window->process_seconds.at(7), 0.75, 0.001);
  EXPECT_EQ(window->busy_seconds, std::nullopt);
}

TEST_F(WindowsTest, SeveralSamplesOfOneProcessEachSpeakOfTheirTime) {
  windows_.Next({}, nullptr, kStart + Windows::kLateUs);
  const auto window = windows_.Next({{7, kStart + 1'000'000, 50}, {7, kStart + 3'000'000, 100}},
                                    nullptr, kStart + 3'000'000);
  ASSERT_TRUE(window.has_value());
  EXPECT_NEAR(window->process_seconds.at(7), 2.5, 0.001);
}

TEST_F(WindowsTest, AClockThatIsSetBackBeginsAnew) {
  windows_.Next({}, nullptr, kStart);
  EXPECT_FALSE(windows_.Next({{7, kStart + 3'600'000'000, 50}}, nullptr, kStart).has_value())
      << "a sample from the future is none";
  EXPECT_FALSE(windows_.Next({}, nullptr, kStart - 3'600'000'000).has_value());
  EXPECT_LE(windows_.cursor_us(), kStart - 3'600'000'000);
}

}  // namespace
}  // namespace tranche::node::sight
