#include "node/memory_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tranche::node {
namespace {

using config::Bytes;
using config::MemoryOptions;
using config::Milli;
using ::testing::Optional;

constexpr std::uint64_t kGi = 1ULL << 30U;

TEST(MemoryLimitTest, WithoutALimitReplicasShareWhatIsNotReserved) {
  EXPECT_THAT(ShareLimit(MemoryOptions{}, 80 * kGi, 4), Optional((80 * kGi - kGi / 2) / 4));
  EXPECT_THAT(ShareLimit({.reserve = Milli{100}}, 80 * kGi, 2), Optional(36 * kGi));
  EXPECT_THAT(ShareLimit({.reserve = Bytes{90 * kGi}}, 80 * kGi, 2), Optional(0U));
}

TEST(MemoryLimitTest, ALimitIsAQuantityOrAPartOfTheDevice) {
  EXPECT_THAT(ShareLimit({.limit = Bytes{10 * kGi}}, 80 * kGi, 4), Optional(10 * kGi));
  EXPECT_THAT(ShareLimit({.limit = Milli{125}}, 80 * kGi, 4), Optional(10 * kGi));
  EXPECT_THAT(ShareLimit({.limit = Bytes{100 * kGi}}, 80 * kGi, 4), Optional(80 * kGi));
  EXPECT_THAT(ShareLimit({.limit = Milli{1000}}, UINT64_MAX, 1), Optional(UINT64_MAX));
}

TEST(MemoryLimitTest, WhatIsOffOrNotSharedHasNone) {
  EXPECT_EQ(ShareLimit({.mode = config::EnforceMode::kOff}, 80 * kGi, 4), std::nullopt);
  EXPECT_EQ(ShareLimit(MemoryOptions{}, 80 * kGi, 0), std::nullopt);
}

}  // namespace
}  // namespace tranche::node
