#include "sim/engine/memory.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace tranche::sim::engine {
namespace {

constexpr std::uint64_t kKiB = 1U << 10U;
constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kAll = 100 * kMiB;

class MemoryTest : public ::testing::Test {
 protected:
  // Reserves what must fit.
  Reservation Take(OwnerId owner, std::uint64_t bytes) {
    const auto reservation = memory_.Reserve(owner, bytes);
    EXPECT_TRUE(reservation) << bytes;
    return reservation.value_or(Reservation{});
  }
  std::uint64_t Taken(OwnerId owner) { return memory_.Of(owner).taken; }
  std::uint64_t Asked(OwnerId owner) { return memory_.Of(owner).asked; }

  DeviceMemory memory_{kAll};
};

TEST_F(MemoryTest, IsGivenOutInWholePieces) {
  const Reservation one = Take(1, 3 * kMiB);
  EXPECT_EQ(one.taken, 4 * kMiB);
  EXPECT_EQ(one.chunk, 0U);
  EXPECT_EQ(memory_.Free(), 96 * kMiB);
  EXPECT_EQ(Asked(1), 3 * kMiB);
  EXPECT_EQ(Taken(1), 4 * kMiB);
  EXPECT_EQ(Take(1, 1 * kMiB).taken, 2 * kMiB);
  EXPECT_EQ(Take(1, 2 * kMiB).taken, 2 * kMiB);
  memory_.Release(one.id, 1);
  EXPECT_EQ(memory_.Free(), 96 * kMiB);
  EXPECT_EQ(memory_.capacity(), kAll);
}

TEST_F(MemoryTest, WhatDoesNotFitIsRefusedAndChangesNothing) {
  const Reservation most = Take(1, 98 * kMiB);
  EXPECT_FALSE(memory_.Reserve(2, 3 * kMiB));
  EXPECT_FALSE(memory_.AddContext(2, 3 * kMiB));
  EXPECT_FALSE(memory_.Reserve(2, 0));
  EXPECT_FALSE(memory_.ReservePieces(2, 0));
  EXPECT_FALSE(memory_.Reserve(2, std::numeric_limits<std::uint64_t>::max()));
  EXPECT_EQ(memory_.Free(), 2 * kMiB);
  EXPECT_EQ(Taken(2), 0U);
  EXPECT_TRUE(memory_.Reserve(2, 2 * kMiB));
  EXPECT_FALSE(memory_.Reserve(2, 1));
  EXPECT_EQ(memory_.Free(), 0U);
  memory_.Release(most.id, 1);
  EXPECT_TRUE(memory_.Reserve(2, 3 * kMiB));
}

TEST_F(MemoryTest, WhatIsLeftOfAnOddCapacityCannotBeTaken) {
  DeviceMemory odd(3 * kMiB);
  EXPECT_FALSE(odd.Reserve(1, 3 * kMiB));
  EXPECT_TRUE(odd.Reserve(1, 2 * kMiB));
  EXPECT_FALSE(odd.Reserve(1, 1));
  EXPECT_EQ(odd.Free(), 1 * kMiB);
}

TEST_F(MemoryTest, SmallOnesLieSideBySideInOneChunk) {
  const Reservation first = Take(1, 1);
  const Reservation second = Take(1, 513);
  const Reservation third = Take(1, 512);
  EXPECT_EQ(first.taken, 2 * kMiB);
  EXPECT_EQ(second.taken + third.taken, 0U);
  EXPECT_NE(first.chunk, 0U);
  EXPECT_EQ(second.chunk, first.chunk);
  EXPECT_EQ(first.offset, 0U);
  EXPECT_EQ(second.offset, 512U);
  EXPECT_EQ(third.offset, 3 * 512U);
  EXPECT_EQ(memory_.Free(), 98 * kMiB);
  EXPECT_EQ(Asked(1), 1U + 513U + 512U);
}

TEST_F(MemoryTest, AChunkGoesBackWithTheLastOfItsParts) {
  std::vector<Reservation> parts;
  for (int i = 0; i < 5; ++i) {
    parts.push_back(Take(1, 512 * kKiB));
  }
  EXPECT_EQ(memory_.Free(), 96 * kMiB);  // four in one chunk, the fifth in another
  for (int i = 0; i < 3; ++i) {
    memory_.Release(parts[static_cast<std::size_t>(i)].id, 1);
  }
  EXPECT_EQ(memory_.Free(), 96 * kMiB);
  memory_.Release(parts[4].id, 1);
  EXPECT_EQ(memory_.Free(), 98 * kMiB);
  EXPECT_EQ(Take(1, 1023 * kKiB).chunk, parts[0].chunk);  // freed parts that touch are one
  memory_.RemoveOwner(1);
  EXPECT_EQ(memory_.Free(), kAll);
}

TEST_F(MemoryTest, AChunkBelongsToOneOwner) {
  const Reservation mine = Take(1, kKiB);
  const Reservation yours = Take(2, kKiB);
  EXPECT_NE(mine.chunk, yours.chunk);
  EXPECT_EQ(memory_.Free(), 96 * kMiB);
}

TEST_F(MemoryTest, WholePiecesAreGivenWhereTheyAreAskedFor) {
  const auto piece = memory_.ReservePieces(1, kKiB);
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->chunk, 0U);
  EXPECT_EQ(piece->taken, 2 * kMiB);
  EXPECT_EQ(Asked(1), kKiB);
}

TEST_F(MemoryTest, AContextCostsItsBytesUntilItGoes) {
  EXPECT_TRUE(memory_.AddContext(1, 30 * kMiB + 5));
  Take(1, 2 * kMiB);
  EXPECT_EQ(memory_.Free(), 68 * kMiB - 5);
  EXPECT_EQ(Taken(1), 32 * kMiB + 5);
  EXPECT_EQ(Asked(1), 2 * kMiB);
  memory_.RemoveOwner(1);
  EXPECT_EQ(memory_.Free(), kAll);
  EXPECT_EQ(Taken(1), 0U);
}

TEST_F(MemoryTest, UnknownIdsAreIgnored) {
  const Reservation mine = Take(1, 2 * kMiB);
  memory_.Release(mine.id, 2);
  memory_.Release(4711, 1);
  memory_.RemoveOwner(3);
  EXPECT_FALSE(memory_.Share(4711, 2));
  EXPECT_EQ(memory_.Free(), 98 * kMiB);
  memory_.Release(mine.id, 1);
  memory_.Release(mine.id, 1);
  EXPECT_EQ(memory_.Free(), kAll);
}

// ---- sharing

TEST_F(MemoryTest, SharedMemoryIsFreedByTheLastAndChargedToTheFirstOfThoseLeft) {
  const Reservation shared = Take(1, 3 * kMiB);
  EXPECT_TRUE(memory_.Share(shared.id, 2));
  EXPECT_TRUE(memory_.Share(shared.id, 3));
  EXPECT_EQ(memory_.Free(), 96 * kMiB);
  EXPECT_EQ(Taken(2), 0U);
  memory_.Release(shared.id, 1);
  EXPECT_EQ(Taken(1), 0U);
  EXPECT_EQ(Taken(2), 4 * kMiB);
  EXPECT_EQ(Asked(2), 3 * kMiB);
  memory_.RemoveOwner(2);
  EXPECT_EQ(Taken(3), 4 * kMiB);
  EXPECT_EQ(memory_.Free(), 96 * kMiB);
  memory_.Release(shared.id, 3);
  EXPECT_EQ(memory_.Free(), kAll);
}

TEST_F(MemoryTest, AnOwnerLetsGoAsOftenAsItCame) {
  const Reservation shared = Take(1, 2 * kMiB);
  EXPECT_TRUE(memory_.Share(shared.id, 2));
  EXPECT_TRUE(memory_.Share(shared.id, 2));
  memory_.Release(shared.id, 1);
  memory_.Release(shared.id, 2);
  EXPECT_EQ(Taken(2), 2 * kMiB);
  memory_.Release(shared.id, 2);
  EXPECT_EQ(memory_.Free(), kAll);
}

TEST_F(MemoryTest, AChunkGoesToWhoStillHasAPartOfIt) {
  const Reservation shared = Take(1, kKiB);
  const Reservation own = Take(1, kKiB);
  EXPECT_TRUE(memory_.Share(shared.id, 2));
  memory_.Release(shared.id, 1);
  EXPECT_EQ(Taken(1), 2 * kMiB);  // it has another part there
  EXPECT_EQ(Taken(2), 0U);
  EXPECT_EQ(Asked(2), kKiB);
  memory_.Release(own.id, 1);
  EXPECT_EQ(Taken(1), 0U);
  EXPECT_EQ(Taken(2), 2 * kMiB);
  EXPECT_EQ(Take(2, kKiB).chunk, shared.chunk);  // and may fill it
  memory_.RemoveOwner(2);
  EXPECT_EQ(memory_.Free(), kAll);
}

// Whatever is done, the books agree: what is free and what the owners hold is all there is, and
// no two parts of a chunk overlap.
TEST_F(MemoryTest, TheBooksAgreeAfterAnything) {
  struct One {
    Reservation reservation;
    std::uint64_t bytes;
    std::multiset<OwnerId> owners;
  };
  std::mt19937 random(7);
  std::map<ReservationId, One> live;
  const auto any = [&](std::uint32_t below) { return static_cast<OwnerId>(random() % below); };
  for (int step = 0; step < 20'000; ++step) {
    const OwnerId owner = 1 + any(4);
    auto chosen = live.begin();
    if (!live.empty()) {
      std::advance(chosen, any(static_cast<std::uint32_t>(live.size())));
    }
    switch (any(8)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const std::uint64_t bytes = 1 + (any(4) == 0 ? random() % (4 * kMiB) : random() % 65'536);
        if (const auto made = memory_.Reserve(owner, bytes)) {
          live[made->id] = {*made, bytes, {owner}};
        }
        break;
      }
      case 4:
        if (chosen != live.end()) {
          EXPECT_TRUE(memory_.Share(chosen->first, owner));
          chosen->second.owners.insert(owner);
        }
        break;
      case 5:
      case 6:
        if (chosen != live.end()) {
          auto& owners = chosen->second.owners;
          memory_.Release(chosen->first, *owners.begin());
          owners.erase(owners.begin());
          if (owners.empty()) {
            live.erase(chosen);
          }
        }
        break;
      default:
        if (any(20) == 0) {
          memory_.RemoveOwner(owner);
          for (auto& [id, one] : live) {
            one.owners.erase(owner);
          }
          std::erase_if(live, [](const auto& one) { return one.second.owners.empty(); });
        }
    }
    std::uint64_t taken = 0;
    std::uint64_t asked = 0;
    for (OwnerId each = 1; each <= 4; ++each) {
      taken += Taken(each);
      asked += Asked(each);
    }
    ASSERT_EQ(taken + memory_.Free(), kAll) << step;
    std::uint64_t wanted = 0;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> parts;
    for (const auto& [id, one] : live) {
      wanted += one.bytes;
      if (one.reservation.chunk != 0) {
        parts[{one.reservation.chunk, one.reservation.offset}] = one.bytes;
      }
    }
    ASSERT_EQ(asked, wanted) << step;
    if (step % 100 != 0) {
      continue;
    }
    for (auto part = parts.begin(); part != parts.end(); ++part) {
      const auto next = std::next(part);
      const std::uint64_t end = part->first.second + part->second;
      ASSERT_LE(end, kGranularity);
      ASSERT_TRUE(next == parts.end() || next->first.first != part->first.first ||
                  next->first.second >= end)
          << step;
    }
  }
  for (OwnerId each = 1; each <= 4; ++each) {
    memory_.RemoveOwner(each);
  }
  EXPECT_EQ(memory_.Free(), kAll);
}

}  // namespace
}  // namespace tranche::sim::engine
