#include "wire/shares.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "wire/testing/page_memory.h"

namespace tranche::wire {
namespace {

using testing::Shared;

constexpr unsigned kDevice = 2;
constexpr unsigned kOwner = 0;
constexpr unsigned kOther = 1;
constexpr unsigned kThird = 2;
constexpr std::uint64_t kKey = 0xABCD;

std::uint64_t Total(const Counters& page) { return page.devices[kDevice].total_bytes.load(); }

unsigned Export(Counters& page, unsigned slot, std::uint64_t key, std::uint64_t bytes) {
  EXPECT_TRUE(Reserve(page, slot, kDevice, Part::kHeld, bytes, kNoLimit));
  return AddShare(page, ShareKind::kExport, slot, kDevice, key, bytes);
}
unsigned Import(Counters& page, unsigned slot, std::uint64_t key, std::uint64_t bytes) {
  return AddShare(page, ShareKind::kImport, slot, kDevice, key, bytes);
}
// As the node program does when a program has ended.
void End(Counters& page, unsigned slot) {
  LeaveShares(page, slot);
  Reclaim(page, slot, kDevice);
  SweepOrphans(page, kDevice);
  EXPECT_TRUE(Settle(page, 3, kDevice));
}

TEST(SharesTest, WhatNobodyOpenedGoesWithItsOwner) {
  const Shared<Counters> page;
  Export(*page, kOwner, kKey, 100);
  Export(*page, kOwner, 0, 50);
  EXPECT_EQ(Total(*page), 150U);
  End(*page, kOwner);
  EXPECT_EQ(Total(*page), 0U);
}

TEST(SharesTest, WhatOthersHaveStaysUntilTheLastOfThemClosesIt) {
  const Shared<Counters> page;
  Export(*page, kOwner, kKey, 100);
  const unsigned first = Import(*page, kOther, kKey, 100);
  const unsigned second = Import(*page, kThird, kKey, 100);
  EXPECT_EQ(Total(*page), 100U) << "an import is charged nothing";
  End(*page, kOwner);
  EXPECT_EQ(Total(*page), 100U);
  EXPECT_EQ(OrphansOn(*page, kDevice), 100U);
  EndImport(*page, kOther, first);
  EXPECT_EQ(Total(*page), 100U);
  EndImport(*page, kThird, second);
  EXPECT_EQ(Total(*page), 0U);
  EXPECT_EQ(OrphansOn(*page, kDevice), 0U);
}

TEST(SharesTest, OrUntilTheLastOfThemEnds) {
  const Shared<Counters> page;
  Export(*page, kOwner, kKey, 100);
  Import(*page, kOther, kKey, 100);
  End(*page, kOwner);
  End(*page, kOther);
  EXPECT_EQ(Total(*page), 0U);
}

TEST(SharesTest, AnotherKeyKeepsNothing) {
  const Shared<Counters> page;
  Export(*page, kOwner, kKey, 100);
  Import(*page, kOther, kKey + 1, 100);
  Import(*page, kThird, 0, 100);
  End(*page, kOwner);
  EXPECT_EQ(Total(*page), 0U);
}

TEST(SharesTest, WithoutAKeyAsMuchStaysAsIsOpened) {
  const Shared<Counters> page;
  Export(*page, kOwner, 0, 100);
  Export(*page, kOwner, 0, 60);
  const unsigned opened = Import(*page, kOther, 0, 100);
  End(*page, kOwner);
  EXPECT_EQ(Total(*page), 100U);
  EndImport(*page, kOther, opened);
  SweepOrphans(*page, kDevice);
  EXPECT_EQ(Total(*page), 0U);
}

TEST(SharesTest, AnOwnerThatFreesLeavesItToThePod) {
  const Shared<Counters> page;
  const unsigned exported = Export(*page, kOwner, kKey, 100);
  EXPECT_TRUE(Reserve(*page, kOwner, kDevice, Part::kHeld, 7, kNoLimit));
  const unsigned opened = Import(*page, kOther, kKey, 100);
  EXPECT_EQ(EndExport(*page, kOwner, exported, 100), 100U);
  EXPECT_EQ(page->slots[kOwner].holdings[kDevice].held_bytes.load(), 7U);
  EXPECT_EQ(Total(*page), 107U);
  EndImport(*page, kOther, opened);
  EXPECT_EQ(Total(*page), 7U);
}

TEST(SharesTest, WithoutOthersAnOwnerGivesAllBackItself) {
  const Shared<Counters> page;
  const unsigned exported = Export(*page, kOwner, kKey, 100);
  EXPECT_EQ(EndExport(*page, kOwner, exported, 100), 0U);
  Release(*page, kOwner, kDevice, Part::kHeld, 100);
  EXPECT_EQ(Total(*page), 0U);
  EXPECT_EQ(Import(*page, kOther, kKey, 100), exported) << "its place is free";
}

TEST(SharesTest, SettlingLeavesOrphansCharged) {
  const Shared<Counters> page;
  Export(*page, kOwner, kKey, 100);
  Import(*page, kOther, kKey, 100);
  End(*page, kOwner);
  page->devices[kDevice].total_bytes.fetch_add(30);  // as of a program that was killed
  EXPECT_TRUE(Settle(*page, 3, kDevice));
  EXPECT_EQ(Total(*page), 100U);
}

TEST(SharesTest, AFullTableSaysSo) {
  const Shared<Counters> page;
  for (unsigned i = 0; i < kMaxShares; ++i) EXPECT_NE(Import(*page, kOther, kKey, 1), kNoShare);
  EXPECT_EQ(Import(*page, kOther, kKey, 1), kNoShare);
}

TEST(SharesTest, GarbageOfAPodIsNothingToTheNodeProgram) {
  const Shared<Counters> page;
  page->shares_used.store(UINT32_MAX);
  for (unsigned i = 0; i < kMaxShares; ++i) {
    Share& share = page->shares[i];
    share.state.store(StateOf(static_cast<ShareKind>(i % 7), kOwner));
    share.bytes.store(UINT64_MAX - i);
    share.device.store(i * 77);
  }
  LeaveShares(*page, kOwner);
  Reclaim(*page, kOwner, kDevice);
  SweepOrphans(*page, kDevice);
  EXPECT_TRUE(Settle(*page, 3, kDevice));
}

// Owners free and importers close at once: whoever is last gives it back, and nobody twice.
TEST(SharesTest, RacesLeaveNothingAndTakeNothingTwice) {
  const Shared<Counters> page;
  constexpr int kRounds = 2000;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t key = 1 + static_cast<std::uint64_t>(round);
    const unsigned exported = Export(*page, kOwner, key, 100);
    const unsigned first = Import(*page, kOther, key, 100);
    const unsigned second = Import(*page, kThird, key, 100);
    std::thread closes([&] { EndImport(*page, kOther, first); });
    std::thread closes_too([&] { EndImport(*page, kThird, second); });
    const std::uint64_t kept = EndExport(*page, kOwner, exported, 100);
    Release(*page, kOwner, kDevice, Part::kHeld, 100 - kept);
    closes.join();
    closes_too.join();
    ASSERT_EQ(Total(*page), 0U) << "round " << round;
  }
  EXPECT_EQ(OrphansOn(*page, kDevice), 0U);
}

}  // namespace
}  // namespace tranche::wire
