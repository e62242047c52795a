#include "cli/top/figures.h"

#include <gtest/gtest.h>

#include "cli/top/testing/node_status.h"

namespace tranche::cli::top {
namespace {

constexpr double kGiB = 1 << 30;

TEST(FiguresTest, WhatIsNotKnownIsADash) {
  EXPECT_EQ(Percent(std::nullopt), "-");
  EXPECT_EQ(Bytes(std::nullopt), "-");
  EXPECT_EQ(Whole(std::nullopt), "-");
  EXPECT_EQ(Seconds(std::nullopt), "-");
  EXPECT_EQ(BytesOf(std::nullopt, kGiB), "-/1.0 GiB");
  EXPECT_EQ(Idle(PodUse{}, testing::kNow), "-");
}

TEST(FiguresTest, BytesHaveTheUnitThatFits) {
  EXPECT_EQ(Bytes(0), "0");
  EXPECT_EQ(Bytes(5000), "<1 MiB");
  EXPECT_EQ(Bytes(512.0 * (1 << 20)), "512 MiB");
  EXPECT_EQ(Bytes(30.1 * kGiB), "30.1 GiB");
  EXPECT_EQ(BytesOf(30 * kGiB, 40 * kGiB), "30.0/40.0 GiB");
  EXPECT_EQ(BytesOf(30 * kGiB, std::nullopt), "30.0 GiB");
  EXPECT_EQ(BytesOf(1.0 * (1 << 20), 512.0 * (1 << 20)), "1/512 MiB");
}

TEST(FiguresTest, SpansGrowCoarser) {
  EXPECT_EQ(Span(-5), "0 s");
  EXPECT_EQ(Span(119.9), "119 s");
  EXPECT_EQ(Span(120), "2 min");
  EXPECT_EQ(Span(7200), "2 h");
  EXPECT_EQ(Span(200'000), "2 d");
  EXPECT_EQ(Span(1e300), "11574074 d");
}

TEST(FiguresTest, IdleIsWhatDoesNotCompute) {
  const NodeUse node = testing::Node();
  EXPECT_EQ(Idle(node.devices[0].pods[0], testing::kNow), "");
  EXPECT_EQ(Idle(node.devices[0].pods[2], testing::kNow), "12 min");
}

TEST(FiguresTest, ABarShowsTheShare) {
  EXPECT_EQ(BarOf(50, 100, 4), "██░░");
  EXPECT_EQ(BarOf(0, 100, 4), "░░░░");
  EXPECT_EQ(BarOf(0.1, 100, 4), "█░░░");
  EXPECT_EQ(BarOf(300, 100, 4), "████");
  EXPECT_EQ(BarOf(std::nullopt, 100, 4), "░░░░");
  EXPECT_EQ(BarOf(5, 0, 4), "░░░░");
}

TEST(FiguresTest, TellsADeviceFromAnother) {
  const NodeUse node = testing::Node();
  EXPECT_EQ(DeviceTitle(node.devices[0]), "GPU 0");
  EXPECT_EQ(DeviceTitle(node.devices[1]), "GPU 1:0 1g.10gb");
  EXPECT_EQ(Replicas(node.devices[0]), "3 of 4 held");
  EXPECT_EQ(Replicas(node.devices[1]), "");
}

}  // namespace
}  // namespace tranche::cli::top
