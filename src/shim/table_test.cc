#include "shim/table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace tranche::shim {
namespace {

Record At(std::uint64_t handle, std::uint64_t bytes, std::uint64_t owner = 7) {
  return {.kind = Kind::kAddress, .handle = handle, .bytes = bytes, .device = 3, .owner = owner};
}

class TableTest : public testing::Test {
 protected:
  // As the shim has it: zeros are an empty table.
  std::unique_ptr<Table> table_ = std::make_unique<Table>();
};

TEST_F(TableTest, GivesBackWhatWasPutOnce) {
  ASSERT_TRUE(table_->Put(At(0x7F0000000000, 4096)));
  Record record;
  ASSERT_TRUE(table_->Take(Kind::kAddress, 0x7F0000000000, &record));
  EXPECT_EQ(record.bytes, 4096U);
  EXPECT_EQ(record.device, 3U);
  EXPECT_EQ(record.owner, 7U);
  EXPECT_FALSE(table_->Take(Kind::kAddress, 0x7F0000000000, &record));
}

TEST_F(TableTest, KeepsKindsApart) {
  ASSERT_TRUE(table_->Put(At(0x1000, 1)));
  Record record;
  EXPECT_FALSE(table_->Take(Kind::kArray, 0x1000, &record));
  EXPECT_FALSE(table_->Take(Kind::kAddress, 0, &record));
  EXPECT_TRUE(table_->Take(Kind::kAddress, 0x1000, &record));
}

TEST_F(TableTest, HoldsMoreThanItsFirstPart) {
  constexpr std::uint64_t kMany = 100000;
  for (std::uint64_t i = 1; i <= kMany; ++i) ASSERT_TRUE(table_->Put(At(i << 21U, i)));
  Record record;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    ASSERT_TRUE(table_->Take(Kind::kAddress, i << 21U, &record)) << i;
    ASSERT_EQ(record.bytes, i);
  }
}

TEST_F(TableTest, EndsWithTheLastUse) {
  Record record = At(5, 10);
  record.kind = Kind::kPhysical;
  ASSERT_TRUE(table_->Put(record));
  EXPECT_EQ(table_->Change(Kind::kPhysical, 5, 1, &record), 2);
  EXPECT_EQ(table_->Change(Kind::kPhysical, 5, -1, &record), 1);
  EXPECT_EQ(table_->Change(Kind::kPhysical, 5, -1, &record), 0);
  EXPECT_EQ(record.bytes, 10U);
  EXPECT_EQ(table_->Change(Kind::kPhysical, 5, -1, &record), -1);
}

TEST_F(TableTest, TakesAllThatEndsWithAContext) {
  for (std::uint64_t i = 1; i <= 10; ++i) ASSERT_TRUE(table_->Put(At(i * 4096, i, i % 2)));
  std::set<std::uint64_t> bytes;
  Record record;
  while (table_->TakeOf(1, &record)) bytes.insert(record.bytes);
  EXPECT_EQ(bytes, (std::set<std::uint64_t>{1, 3, 5, 7, 9}));
  EXPECT_TRUE(table_->Take(Kind::kAddress, 2 * 4096, &record));
}

TEST_F(TableTest, GoesThroughAllOfOneKindWherePartsAreFull) {
  constexpr std::uint64_t kMany = 5000;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    Record record = At(i * 4096, i);
    record.kind = i % 2 == 0 ? Kind::kFreeing : Kind::kAddress;
    ASSERT_TRUE(table_->Put(record));
  }
  std::set<std::uint64_t> bytes;
  std::uint64_t place = 0;
  Record record;
  while (table_->Next(Kind::kFreeing, &place, &record)) {
    EXPECT_EQ(record.kind, Kind::kFreeing);
    EXPECT_TRUE(bytes.insert(record.bytes).second) << "each once";
    if (record.bytes % 4 == 0) {
      EXPECT_TRUE(table_->Take(record.kind, record.handle, &record));
    }
  }
  EXPECT_EQ(bytes.size(), kMany / 2);
  EXPECT_FALSE(table_->Next(Kind::kFreeing, &place, &record));
}

TEST_F(TableTest, FindsTheMappingThatHoldsAnAddress) {
  ASSERT_TRUE(table_->Put(
      {.kind = Kind::kMapping, .handle = 1U << 21U, .bytes = 2U << 20U, .device = 0, .owner = 9}));
  Record record;
  ASSERT_TRUE(table_->FindMapping((1U << 21U) + 4096, &record));
  EXPECT_EQ(record.owner, 9U);
  EXPECT_FALSE(table_->FindMapping((1U << 21U) + (2U << 20U), &record));
  EXPECT_FALSE(table_->FindMapping(4096, &record));
}

TEST_F(TableTest, LosesNothingWhereThreadsPutAndTake) {
  constexpr std::uint64_t kRounds = 20000;
  std::atomic<int> lost = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 1; thread <= 4; ++thread) {
    threads.emplace_back([&, thread] {
      Record record;
      for (std::uint64_t i = 0; i < kRounds; ++i) {
        const std::uint64_t handle = (thread << 40U) + (i % 64 + 1) * 512;
        if (!table_->Put(At(handle, i + 1))) ++lost;
        if (!table_->Take(Kind::kAddress, handle, &record) || record.bytes != i + 1) ++lost;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace tranche::shim
