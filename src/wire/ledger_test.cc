#include "wire/ledger.h"

#include <gtest/gtest.h>

#include "wire/testing/page_memory.h"

namespace tranche::wire {
namespace {

using testing::Shared;
using testing::SumOfSlots;

constexpr unsigned kDevice = 3;

std::uint64_t Total(const Counters& page) { return page.devices[kDevice].total_bytes.load(); }

TEST(LedgerTest, TakesUpToTheLimitAndNotAByteMore) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 60, 100));
  EXPECT_TRUE(Reserve(*page, 1, kDevice, Part::kHeld, 40, 100));
  EXPECT_FALSE(Reserve(*page, 0, kDevice, Part::kHeld, 1, 100));
  EXPECT_EQ(Total(*page), 100U);
  Release(*page, 1, kDevice, Part::kHeld, 40);
  EXPECT_EQ(Total(*page), 60U);
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 40, 100));
  EXPECT_EQ(page->slots[0].holdings[kDevice].held_bytes.load(), 100U);
  EXPECT_EQ(page->slots[1].holdings[kDevice].held_bytes.load(), 0U);
}

TEST(LedgerTest, ARequestNearTheLargestNumberDoesNotWrapAround) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 50, 100));
  EXPECT_FALSE(Reserve(*page, 0, kDevice, Part::kHeld, UINT64_MAX, 100));
  EXPECT_FALSE(Reserve(*page, 0, kDevice, Part::kHeld, UINT64_MAX - 49, kNoLimit));
  EXPECT_EQ(Total(*page), 50U);
}

TEST(LedgerTest, ALimitBelowWhatIsHeldRefusesAndTakesNothingAway) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 80, 100));
  EXPECT_FALSE(Reserve(*page, 0, kDevice, Part::kHeld, 1, 40));
  Release(*page, 0, kDevice, Part::kHeld, 60);
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 20, 40));
}

TEST(LedgerTest, ContextsCountAgainstTheSameLimit) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kContext, 70, kNoLimit));
  EXPECT_FALSE(Reserve(*page, 0, kDevice, Part::kHeld, 31, 100));
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 30, 100));
  Release(*page, 0, kDevice, Part::kContext, 70);
  EXPECT_EQ(Total(*page), 30U);
}

TEST(LedgerTest, MoreIsNotGivenBackThanIsHeld) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 10, 100));
  EXPECT_TRUE(Reserve(*page, 1, kDevice, Part::kHeld, 10, 100));
  Release(*page, 0, kDevice, Part::kHeld, 15);
  EXPECT_EQ(Total(*page), 10U);
  EXPECT_EQ(SumOfSlots(*page, 2, kDevice), 10U);
}

TEST(LedgerTest, DevicesAreApart) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, 0, Part::kHeld, 100, 100));
  EXPECT_TRUE(Reserve(*page, 0, 1, Part::kHeld, 100, 100));
  EXPECT_FALSE(Reserve(*page, 0, 0, Part::kHeld, 1, 100));
}

TEST(LedgerTest, WhatAProgramHeldComesBackWhenItHasEnded) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 30, 100));
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kContext, 20, 100));
  EXPECT_TRUE(Reserve(*page, 1, kDevice, Part::kHeld, 10, 100));
  EXPECT_TRUE(Reclaim(*page, 0, kDevice));
  EXPECT_EQ(Total(*page), 10U);
  EXPECT_EQ(SumOfSlots(*page, 2, kDevice), 10U);
}

TEST(LedgerTest, NothingIsSettledWhileAChangeIsUnderWay) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 1, kDevice, Part::kHeld, 10, 100));
  // The program in slot 0 has raised the total, and not its own slot yet.
  page->slots[0].holdings[kDevice].begun.fetch_add(1);
  page->devices[kDevice].total_bytes.fetch_add(30);
  EXPECT_FALSE(Settle(*page, 2, kDevice));
  EXPECT_EQ(Total(*page), 40U);
  // It is killed there.
  EXPECT_FALSE(Reclaim(*page, 0, kDevice));
  EXPECT_EQ(Total(*page), 40U);
  EXPECT_TRUE(Settle(*page, 2, kDevice));
  EXPECT_EQ(Total(*page), 10U);
}

TEST(LedgerTest, ScribbledHoldingsHarmNobodyElse) {
  const Shared<Counters> page;
  EXPECT_TRUE(Reserve(*page, 0, kDevice, Part::kHeld, 10, 100));
  page->slots[0].holdings[kDevice].held_bytes.store(UINT64_MAX);
  page->slots[0].holdings[kDevice].context_bytes.store(7);
  Reclaim(*page, 0, kDevice);
  EXPECT_TRUE(Settle(*page, 1, kDevice));
  EXPECT_EQ(SumOfSlots(*page, 1, kDevice), 0U);
  EXPECT_EQ(Total(*page), 0U);
}

}  // namespace
}  // namespace tranche::wire
