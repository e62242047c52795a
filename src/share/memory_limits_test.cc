#include "share/memory_limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace tranche::share {
namespace {

constexpr std::uint64_t kGib = 1ULL << 30U;

TEST(MemoryLimitsTest, WithoutALimitReplicasAreEqualPartsOfWhatIsNotReserved) {
  EXPECT_EQ(WantedMemory({.device_bytes = 80 * kGib, .reserve_bytes = 8 * kGib, .replicas = 4}),
            18 * kGib);
}

TEST(MemoryLimitsTest, SeveralReplicasAreSeveralShares) {
  EXPECT_EQ(WantedMemory({.device_bytes = 80 * kGib, .replicas = 8, .held = 3}), 30 * kGib);
  EXPECT_EQ(WantedMemory({.device_bytes = 80 * kGib, .limit_bytes = 5 * kGib, .held = 3}),
            15 * kGib);
}

TEST(MemoryLimitsTest, NobodyGetsMoreThanThereIs) {
  EXPECT_EQ(WantedMemory(
                {.device_bytes = 80 * kGib, .reserve_bytes = 1 * kGib, .limit_bytes = 100 * kGib}),
            79 * kGib);
  EXPECT_EQ(WantedMemory({.device_bytes = 80 * kGib, .limit_bytes = UINT64_MAX, .held = 2}),
            80 * kGib);
  EXPECT_EQ(WantedMemory({.device_bytes = kGib, .reserve_bytes = 2 * kGib}), 0U);
}

TEST(MemoryLimitsTest, WhoComesLateGetsWhatIsLeft) {
  const MemoryShare share{
      .device_bytes = 80 * kGib, .reserve_bytes = 8 * kGib, .limit_bytes = 30 * kGib};
  EXPECT_EQ(GrantedMemory(share, 0), 30 * kGib);
  EXPECT_EQ(GrantedMemory(share, 60 * kGib), 12 * kGib);
  EXPECT_EQ(GrantedMemory(share, 72 * kGib), 0U);
  EXPECT_EQ(GrantedMemory(share, 90 * kGib), 0U);
}

TEST(MemoryLimitsTest, TheMostIsByReplicaAndNeverLessThanTheLimit) {
  MemoryShare share{.device_bytes = 80 * kGib, .limit_bytes = 10 * kGib, .held = 2};
  EXPECT_EQ(MostMemory(share), 20 * kGib) << "without a bound nothing more";
  share.max_bytes = 25 * kGib;
  EXPECT_EQ(MostMemory(share), 50 * kGib);
  share.max_bytes = 1 * kGib;
  EXPECT_EQ(MostMemory(share), 20 * kGib);
  share.max_bytes = UINT64_MAX;
  EXPECT_EQ(MostMemory(share), 80 * kGib);
}

TEST(MemoryAskTest, WithoutBoundsALimitCanOnlyBeLowered) {
  const MemoryShare share{.device_bytes = 80 * kGib, .limit_bytes = 10 * kGib};
  MemoryAsk ask{.asked_bytes = 4 * kGib, .limit_bytes = 10 * kGib, .fixed_bytes = 10 * kGib};
  EXPECT_EQ(AnswerMemoryAsk(share, ask).limit_bytes, 4 * kGib);
  ask.asked_bytes = 20 * kGib;
  MemoryAnswer answer = AnswerMemoryAsk(share, ask);
  EXPECT_EQ(answer.limit_bytes, 10 * kGib);
  EXPECT_TRUE(answer.above_most);
  // What was lowered comes back, as far as it was given at first.
  ask.limit_bytes = 4 * kGib;
  answer = AnswerMemoryAsk(share, ask);
  EXPECT_EQ(answer.limit_bytes, 10 * kGib);
  EXPECT_TRUE(answer.above_most);
  EXPECT_FALSE(answer.no_room);
}

TEST(MemoryAskTest, ARaiseGetsWhatTheOthersLeaveAndOneThatGetsNothingChangesNothing) {
  const MemoryShare share{.device_bytes = 80 * kGib,
                          .reserve_bytes = 8 * kGib,
                          .limit_bytes = 10 * kGib,
                          .max_bytes = 60 * kGib};
  MemoryAsk ask{.asked_bytes = 40 * kGib,
                .limit_bytes = 10 * kGib,
                .fixed_bytes = 10 * kGib,
                .others_bytes = 20 * kGib};
  MemoryAnswer answer = AnswerMemoryAsk(share, ask);
  EXPECT_EQ(answer.limit_bytes, 40 * kGib);
  EXPECT_FALSE(answer.no_room || answer.above_most);
  ask.others_bytes = 50 * kGib;
  answer = AnswerMemoryAsk(share, ask);
  EXPECT_EQ(answer.limit_bytes, 22 * kGib);
  EXPECT_TRUE(answer.no_room);
  ask.others_bytes = 70 * kGib;
  answer = AnswerMemoryAsk(share, ask);
  EXPECT_EQ(answer.limit_bytes, 10 * kGib) << "it keeps what it has";
  EXPECT_TRUE(answer.no_room);
}

TEST(MemoryAskTest, WhatWasGivenWithTheDeviceMayBeHadBackUnderALowerProfile) {
  const MemoryShare lower{.device_bytes = 80 * kGib, .limit_bytes = 1 * kGib};
  EXPECT_EQ(AnswerMemoryAsk(lower, {.asked_bytes = 10 * kGib,
                                    .limit_bytes = 5 * kGib,
                                    .fixed_bytes = 10 * kGib,
                                    .others_bytes = 0})
                .limit_bytes,
            10 * kGib);
}

// Pods come, ask for anything at all, and go, under profiles that change: what is granted never
// sums above the device less the reserve, and no limit is above what may be had.
TEST(MemoryLimitsTest, GrantsNeverSumAboveTheDevice) {
  struct Pod {
    std::uint64_t limit = 0;
    std::uint64_t fixed = 0;
    int held = 1;
  };
  std::mt19937_64 random(7);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::size_t raised = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 500; ++round) {
    const std::uint64_t device = 1 + below(1000);
    const std::uint64_t reserve = below(device + device / 4);
    std::vector<Pod> pods;
    for (int step = 0; step < 60; ++step) {
      MemoryShare share{.device_bytes = device,
                        .reserve_bytes = reserve,
                        .replicas = static_cast<int>(1 + below(9))};
      if (below(2) == 0) share.limit_bytes = below(4) == 0 ? random() : below(device + 1);
      if (below(2) == 0) share.max_bytes = below(4) == 0 ? random() : below(device + 1);
      const auto sum = [&] {
        return std::accumulate(pods.begin(), pods.end(), std::uint64_t{0},
                               [](std::uint64_t all, const Pod& pod) { return all + pod.limit; });
      };
      const std::uint64_t what = below(4);
      if (what == 0 || pods.empty()) {
        Pod pod{.held = static_cast<int>(1 + below(3))};
        share.held = pod.held;
        pod.limit = pod.fixed = GrantedMemory(share, sum());
        pods.push_back(pod);
      } else if (what == 1 && below(3) == 0) {
        pods.erase(pods.begin() + static_cast<std::ptrdiff_t>(below(pods.size())));
      } else {
        Pod& pod = pods[below(pods.size())];
        share.held = pod.held;
        const std::uint64_t before = pod.limit;
        const MemoryAsk ask{.asked_bytes = below(8) == 0 ? random() : below(2 * device),
                            .limit_bytes = before,
                            .fixed_bytes = pod.fixed,
                            .others_bytes = sum() - before};
        const MemoryAnswer answer = AnswerMemoryAsk(share, ask);
        pod.limit = answer.limit_bytes;
        raised += pod.limit > before ? 1 : 0;
        refused += answer.no_room ? 1 : 0;
        ASSERT_LE(pod.limit, std::max({MostMemory(share), pod.fixed, before}));
        ASSERT_TRUE(pod.limit <= before || pod.limit <= ask.asked_bytes);
      }
      ASSERT_LE(sum(), UsableMemory(share)) << "round " << round << ", step " << step;
    }
  }
  EXPECT_GT(raised, 1000U) << "the test has raised limits";
  EXPECT_GT(refused, 1000U) << "and found no room for others";
}

}  // namespace
}  // namespace tranche::share
