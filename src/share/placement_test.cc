#include "share/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "share/replica.h"

namespace tranche::share {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Ids = std::vector<std::string>;

std::vector<PoolDevice> Pool(std::initializer_list<int> replicas) {
  std::vector<PoolDevice> pool;
  for (const int count : replicas) {
    pool.push_back(
        {.uuid = "GPU-" + std::string(1, static_cast<char>('a' + pool.size())), .replicas = count});
  }
  return pool;
}

// Ids a::0…, as many free ones of each device as told, the lowest taken away first.
Ids Free(const std::vector<PoolDevice>& pool, std::initializer_list<int> free) {
  Ids ids;
  std::size_t i = 0;
  for (const int count : free) {
    const PoolDevice& device = pool[i++];
    for (int k = device.replicas - count; k < device.replicas; ++k) {
      ids.push_back(IdOf(device.uuid, device.replicas, k));
    }
  }
  return ids;
}

Ids Prefer(Policy policy, const std::vector<PoolDevice>& pool, const Ids& available, int size,
           const Ids& must = {}) {
  auto result = PreferReplicas(policy, pool, {available, must, size});
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? *result : Ids{};
}

std::map<std::string, int> PerDevice(const Ids& ids) {
  std::map<std::string, int> counts;
  for (const std::string& id : ids) ++counts[std::string(ParseReplicaId(id).device)];
  return counts;
}

TEST(DistributedTest, AnEmptyNodeIsFilledEvenly) {
  const auto pool = Pool({4, 4});
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {4, 4}), 4),
              ElementsAre("GPU-a::0", "GPU-b::0", "GPU-a::1", "GPU-b::1"));
}

TEST(DistributedTest, TheLeastAllocatedGoesFirst) {
  const auto pool = Pool({4, 4, 4});
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {1, 3, 2}), 1),
              ElementsAre("GPU-b::1"));
  EXPECT_THAT(PerDevice(Prefer(Policy::kDistributed, pool, Free(pool, {1, 3, 2}), 3)),
              UnorderedElementsAre(Pair("GPU-b", 2), Pair("GPU-c", 1)));
}

TEST(DistributedTest, AllocationIsCountedNotTheShare) {
  // 2 of 8 are more than 1 of 2.
  const auto pool = Pool({8, 2});
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {6, 1}), 1), ElementsAre("GPU-b::1"));
}

TEST(DistributedTest, RequiredIdsCountAsAllocated) {
  const auto pool = Pool({2, 2});
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {2, 2}), 2, {"GPU-a::1"}),
              ElementsAre("GPU-a::1", "GPU-b::0"));
}

TEST(DistributedTest, AmongEquallyAllocatedTheLeastPickedGoesFirst) {
  // a starts at one allocated, b at none: after b::0 both are at one, and b was just picked.
  const auto pool = Pool({4, 4});
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {3, 4}), 2),
              ElementsAre("GPU-b::0", "GPU-a::1"));
}

TEST(PackedTest, TheMostAllocatedGoesFirstUntilItIsFull) {
  const auto pool = Pool({4, 4, 4});
  EXPECT_THAT(Prefer(Policy::kPacked, pool, Free(pool, {4, 2, 3}), 4),
              ElementsAre("GPU-b::2", "GPU-b::3", "GPU-c::1", "GPU-c::2"));
}

TEST(PackedTest, AnEmptyNodeIsFilledFromTheFirst) {
  const auto pool = Pool({2, 2});
  EXPECT_THAT(Prefer(Policy::kPacked, pool, Free(pool, {2, 2}), 3),
              ElementsAre("GPU-a::0", "GPU-a::1", "GPU-b::0"));
}

TEST(SpreadTest, NeverTwoOfOneGpuWhileAnotherHasAFreeOne) {
  const auto pool = Pool({4, 4});
  // distributed would take both from b.
  EXPECT_THAT(PerDevice(Prefer(Policy::kDistributed, pool, Free(pool, {1, 4}), 2)),
              ElementsAre(Pair("GPU-b", 2)));
  EXPECT_THAT(Prefer(Policy::kSpread, pool, Free(pool, {1, 4}), 2),
              ElementsAre("GPU-b::0", "GPU-a::3"));
}

TEST(SpreadTest, RequiredIdsCountAsHeld) {
  const auto pool = Pool({4, 4});
  EXPECT_THAT(Prefer(Policy::kSpread, pool, Free(pool, {1, 4}), 2, {"GPU-b::2"}),
              ElementsAre("GPU-b::2", "GPU-a::3"));
}

TEST(SpreadTest, MoreThanThereAreGpusIsStillEven) {
  const auto pool = Pool({4, 4, 4});
  EXPECT_THAT(PerDevice(Prefer(Policy::kSpread, pool, Free(pool, {4, 1, 4}), 7)),
              ElementsAre(Pair("GPU-a", 3), Pair("GPU-b", 1), Pair("GPU-c", 3)));
}

TEST(PreferReplicasTest, UnusableDevicesGoLast) {
  auto pool = Pool({4, 4, 4});
  pool[0].usable = false;
  for (const Policy policy : {Policy::kDistributed, Policy::kPacked, Policy::kSpread}) {
    const Ids ids = Prefer(policy, pool, Free(pool, {4, 2, 2}), 5);
    EXPECT_THAT(PerDevice(ids), ElementsAre(Pair("GPU-a", 1), Pair("GPU-b", 2), Pair("GPU-c", 2)));
    EXPECT_EQ(ids.back(), "GPU-a::0");
  }
}

TEST(PreferReplicasTest, IdsThatThePoolDoesNotAccountForGoVeryLast) {
  auto pool = Pool({2});
  pool[0].usable = false;
  const Ids available = {"GPU-z::3", "GPU-a::7", "GPU-z::10", "GPU-a", "GPU-a::1", "GPU-a::0"};
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, available, 6),
              ElementsAre("GPU-a::0", "GPU-a::1", "GPU-a", "GPU-a::7", "GPU-z::3", "GPU-z::10"));
}

TEST(PreferReplicasTest, WholeMigDevicesAreDevicesWithOneId) {
  const std::vector<PoolDevice> pool = {{.uuid = "MIG-b"}, {.uuid = "MIG-a"}, {.uuid = "MIG-c"}};
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, {"MIG-a", "MIG-c", "MIG-b"}, 2),
              ElementsAre("MIG-b", "MIG-a"));
}

TEST(PreferReplicasTest, TooFewIsUpstreamsError) {
  const auto pool = Pool({2});
  const auto result = PreferReplicas(Policy::kDistributed, pool, {Free(pool, {2}), {}, 3});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(result.status().message(), "not enough available devices to satisfy allocation");
}

TEST(PreferReplicasTest, DuplicatesCountOnce) {
  const auto pool = Pool({4});
  EXPECT_FALSE(
      PreferReplicas(Policy::kPacked, pool, {{"GPU-a::1", "GPU-a::1", "x", "x"}, {}, 3}).ok());
  EXPECT_THAT(Prefer(Policy::kPacked, pool, {"GPU-a::1", "GPU-a::1", "x", "x"}, 2),
              ElementsAre("GPU-a::1", "x"));
}

TEST(PreferReplicasTest, OddSizes) {
  const auto pool = Pool({4});
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {4}), 0), IsEmpty());
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {4}), -5), IsEmpty());
  EXPECT_THAT(Prefer(Policy::kDistributed, pool, Free(pool, {4}), 1, {"GPU-a::0", "GPU-a::1"}),
              ElementsAre("GPU-a::0", "GPU-a::1"));
  EXPECT_FALSE(PreferReplicas(Policy::kSpread, pool, {{}, {}, 2147483647}).ok());
  EXPECT_THAT(Prefer(Policy::kDistributed, {}, {"GPU-a::1"}, 1), ElementsAre("GPU-a::1"));
}

TEST(PreferReplicasTest, AnAbsurdPoolCostsNoMemory) {
  std::vector<PoolDevice> pool = Pool({2147483647});
  EXPECT_THAT(Prefer(Policy::kPacked, pool, {"GPU-a::999999999", "GPU-a::5"}, 2),
              ElementsAre("GPU-a::5", "GPU-a::999999999"));
}

// The rule as it is written down: look at every free id for each slot.
Ids PreferPlainly(Policy policy, const std::vector<PoolDevice>& pool, const PreferredRequest& ask) {
  std::set<std::pair<std::string, int>> free;
  for (const std::string& id : ask.available) {
    free.emplace(ParseReplicaId(id).device, ParseReplicaId(id).replica);
  }
  std::map<std::string, int> held;
  std::map<std::string, int> picked;
  for (const std::string& id : ask.must_include) {
    free.erase({std::string(ParseReplicaId(id).device), ParseReplicaId(id).replica});
    ++held[std::string(ParseReplicaId(id).device)];
  }
  Ids out = ask.must_include;
  while (out.size() < static_cast<std::size_t>(ask.size)) {
    std::vector<std::tuple<int, int, int, std::size_t, int>> ranks;
    for (std::size_t i = 0; i < pool.size(); ++i) {
      const std::string& uuid = pool[i].uuid;
      const auto count =
          std::count_if(free.begin(), free.end(), [&](const auto& id) { return id.first == uuid; });
      const int allocated = pool[i].replicas - static_cast<int>(count);
      for (const auto& [device, k] : free) {
        if (device != uuid) continue;
        const int usable = pool[i].usable ? 0 : 1;
        if (policy == Policy::kDistributed)
          ranks.push_back({usable, allocated, picked[uuid], i, k});
        if (policy == Policy::kPacked) ranks.push_back({usable, -allocated, picked[uuid], i, k});
        if (policy == Policy::kSpread) {
          ranks.push_back({usable, picked[uuid] + held[uuid], allocated, i, k});
        }
      }
    }
    const auto best = *std::min_element(ranks.begin(), ranks.end());
    const std::string& uuid = pool[std::get<3>(best)].uuid;
    free.erase({uuid, std::get<4>(best)});
    ++picked[uuid];
    out.push_back(MakeReplicaId(uuid, std::get<4>(best)));
  }
  return out;
}

TEST(PreferReplicasTest, AgreesWithTheRuleWrittenPlainly) {
  std::mt19937 random(20240607);
  const auto upto = [&](int most) {
    return static_cast<int>(random() % (static_cast<unsigned>(most) + 1U));
  };
  for (int round = 0; round < 600; ++round) {
    std::vector<PoolDevice> pool;
    PreferredRequest ask;
    for (int i = 0; i <= upto(5); ++i) {
      pool.push_back(
          {.uuid = "GPU-" + std::to_string(i), .replicas = 2 + upto(80), .usable = upto(4) > 0});
      const int free = upto(9);
      for (int k = 0; k < pool.back().replicas; ++k) {
        if (upto(9) <= free) ask.available.push_back(MakeReplicaId(pool.back().uuid, k));
      }
    }
    std::shuffle(ask.available.begin(), ask.available.end(), random);
    const int offered = static_cast<int>(ask.available.size());
    ask.size = upto(std::min(offered, 30));
    const int must = upto(std::min(ask.size, 3));
    ask.must_include.assign(ask.available.begin(), ask.available.begin() + must);
    for (const Policy policy : {Policy::kDistributed, Policy::kPacked, Policy::kSpread}) {
      EXPECT_EQ(*PreferReplicas(policy, pool, ask), PreferPlainly(policy, pool, ask)) << round;
    }
  }
}

TEST(PreferReplicasTest, TheOrderOfTheOfferDoesNotMatter) {
  const auto pool = Pool({9, 9, 9});
  Ids available = Free(pool, {5, 7, 2});
  const Ids first = Prefer(Policy::kDistributed, pool, available, 6);
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(available.begin(), available.end(), random);
    EXPECT_EQ(Prefer(Policy::kDistributed, pool, available, 6), first);
  }
}

}  // namespace
}  // namespace tranche::share
