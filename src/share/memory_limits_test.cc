#include "share/memory_limits.h"

#include <gtest/gtest.h>

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

TEST(MemoryLimitsTest, GrantsNeverSumAboveTheDevice) {
  for (int replicas = 1; replicas <= 9; ++replicas) {
    for (std::uint64_t limit = 1; limit < 100; limit += 7) {
      std::uint64_t sum = 0;
      for (int pod = 0; pod < 12; ++pod) {
        sum += GrantedMemory({.device_bytes = 80,
                              .reserve_bytes = 3,
                              .limit_bytes = limit,
                              .replicas = replicas,
                              .held = 1 + pod % 3},
                             sum);
      }
      EXPECT_LE(sum, 77U);
    }
  }
}

}  // namespace
}  // namespace tranche::share
