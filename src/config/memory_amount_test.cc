#include "config/memory_amount.h"

#include <gtest/gtest.h>

namespace tranche::config {
namespace {

constexpr std::uint64_t kGib = 1ULL << 30U;

TEST(MemoryAmountTest, IsAQuantityOrAPercent) {
  EXPECT_EQ(*ParseMemoryAmount("10Gi"), MemoryAmount(Bytes{10 * kGib}));
  EXPECT_EQ(*ParseMemoryAmount("1000000000"), MemoryAmount(Bytes{1'000'000'000}));
  EXPECT_EQ(*ParseMemoryAmount("12.5%"), MemoryAmount(Milli{125}));
  EXPECT_EQ(*ParseMemoryAmount("0"), MemoryAmount(Bytes{0}));
}

TEST(MemoryAmountTest, WhatNobodyCanMeanIsRefused) {
  for (const char* bad : {"", "%", "10", "512", "-1Gi", "101%", "99999Ei", "1e999999999",
                          "0e999999999", "10 Gi", "10Gi\n", "\x1b[31m", "ten"}) {
    EXPECT_FALSE(ParseMemoryAmount(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseMemoryAmount("512").status().message(),
            "512 without a unit means 512 bytes; write 512Mi or 512Gi");
}

TEST(MemoryAmountTest, APercentIsOfTheWholeDeviceHoweverLarge) {
  EXPECT_EQ(BytesOf(Milli{125}, 80 * kGib), 10 * kGib);
  EXPECT_EQ(BytesOf(Milli{1000}, UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(BytesOf(Bytes{3}, 80 * kGib), 3U);
}

TEST(MemoryAmountTest, IsWrittenAsPeopleWriteIt) {
  EXPECT_EQ(AmountText(Milli{250}), "25%");
  EXPECT_EQ(AmountText(Milli{125}), "12.5%");
  EXPECT_EQ(AmountText(Bytes{10 * kGib}), "10Gi");
  EXPECT_EQ(BytesText(512ULL << 20U), "512Mi");
  EXPECT_EQ(BytesText((512ULL << 20U) + (1ULL << 19U)), "512.5Mi");
  EXPECT_EQ(BytesText(0), "0Mi");
}

}  // namespace
}  // namespace tranche::config
