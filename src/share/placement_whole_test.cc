#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>
#include <string>

#include "share/placement.h"

namespace tranche::share {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Scores = std::vector<std::vector<int>>;
using Set = std::vector<int>;

std::vector<PoolDevice> Gpus(int count) {
  std::vector<PoolDevice> pool(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    pool[static_cast<std::size_t>(i)].uuid = "GPU-" + std::to_string(i);
  }
  return pool;
}

std::vector<std::string> Named(const Set& set) {
  std::vector<std::string> ids;
  for (const int i : set) ids.push_back("GPU-" + std::to_string(i));
  return ids;
}

Set Prefer(const Scores& scores, const Set& available, int size, const Set& must = {}) {
  const auto result = PreferWhole(Gpus(static_cast<int>(scores.size())), scores,
                                  {Named(available), Named(must), size});
  EXPECT_TRUE(result.ok());
  Set set;
  for (const std::string& id : *result) set.push_back(std::stoi(id.substr(4)));
  return set;
}

// A DGX-1 with V100s: the hybrid cube mesh of NVIDIA's "DGX-1 With Tesla V100" white paper, links
// counted from its topology matrix; PCIe: pairs under one switch, fours on one socket.
Scores Dgx1() {
  static constexpr int kLinks[8][8] = {{0, 1, 1, 2, 2, 0, 0, 0}, {1, 0, 2, 1, 0, 2, 0, 0},
                                       {1, 2, 0, 2, 0, 0, 1, 0}, {2, 1, 2, 0, 0, 0, 0, 1},
                                       {2, 0, 0, 0, 0, 1, 1, 2}, {0, 2, 0, 0, 1, 0, 2, 1},
                                       {0, 0, 1, 0, 1, 2, 0, 2}, {0, 0, 0, 1, 2, 1, 2, 0}};
  Scores scores(8, std::vector<int>(8, 0));
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      if (i == j) continue;
      const int pcie = i / 4 != j / 4 ? 10 : (i / 2 == j / 2 ? 40 : 30);
      scores[i][j] = 100 * kLinks[i][j] + pcie;
    }
  }
  return scores;
}

int ScoreOf(const Scores& scores, const Set& set) {
  int score = 0;
  for (std::size_t a = 0; a < set.size(); ++a) {
    for (std::size_t b = a + 1; b < set.size(); ++b) {
      score += scores[static_cast<std::size_t>(set[a])][static_cast<std::size_t>(set[b])];
    }
  }
  return score;
}

// Every partition there is, one device after the other; of equal totals the one whose sets, in
// order of their first members, are lexicographically first.
struct Exhaustive {
  const Scores& scores;
  int size;
  Set must;
  std::vector<Set> sets{};
  std::vector<Set> best{};
  int best_total = -1;

  static bool Before(std::vector<Set> a, std::vector<Set> b, int size) {
    const auto pad = [size](std::vector<Set>& short_ones) {
      for (Set& set : short_ones) set.resize(static_cast<std::size_t>(size), 1000);
    };
    pad(a);
    pad(b);
    return a < b;
  }
  [[nodiscard]] bool HasMust(const Set& set) const {
    return std::all_of(must.begin(), must.end(), [&](int one) {
      return std::find(set.begin(), set.end(), one) != set.end();
    });
  }
  void Consider(int count) {
    const auto full = count / size;
    if (std::count_if(
            sets.begin(), sets.end(),
            [&](const Set& set) { return set.size() == static_cast<std::size_t>(size); }) != full ||
        static_cast<int>(sets.size()) != full + (count % size != 0 ? 1 : 0)) {
      return;
    }
    if (std::none_of(sets.begin(), sets.end(), [&](const Set& set) {
          return set.size() == static_cast<std::size_t>(size) && HasMust(set);
        })) {
      return;
    }
    int total = 0;
    for (const Set& set : sets) total += ScoreOf(scores, set);
    if (total > best_total || (total == best_total && Before(sets, best, size))) {
      best_total = total;
      best = sets;
    }
  }
  void Place(const Set& available, std::size_t i) {
    if (i == available.size()) return Consider(static_cast<int>(available.size()));
    for (std::size_t s = 0; s < sets.size(); ++s) {
      if (sets[s].size() == static_cast<std::size_t>(size)) continue;
      sets[s].push_back(available[i]);
      Place(available, i + 1);
      sets[s].pop_back();
    }
    sets.push_back({available[i]});
    Place(available, i + 1);
    sets.pop_back();
  }
  Set Run(const Set& available) {
    Place(available, 0);
    std::optional<Set> chosen;
    for (const Set& set : best) {
      if (set.size() != static_cast<std::size_t>(size) || !HasMust(set)) continue;
      if (!chosen || ScoreOf(scores, set) > ScoreOf(scores, *chosen)) chosen = set;
    }
    return chosen.value_or(Set{});
  }
};

TEST(PreferWholeTest, TwoOfADgx1) {
  const Scores dgx1 = Dgx1();
  EXPECT_THAT(Prefer(dgx1, {0, 3, 1}, 2), ElementsAre(0, 3));
  EXPECT_THAT(Prefer(dgx1, {0, 1, 4}, 2), ElementsAre(0, 4));
  EXPECT_THAT(Prefer(dgx1, {0, 4, 5, 6}, 2), ElementsAre(5, 6));
}

TEST(PreferWholeTest, WhatIsLeftOverCountsToo) {
  // 1–2 is the best pair, but leaves 0 and 3 with nothing: 0–1 and 2–3 together are worth more.
  Scores scores(4, std::vector<int>(4, 0));
  const auto link = [&](std::size_t a, std::size_t b, int score) {
    scores[a][b] = scores[b][a] = score;
  };
  link(1, 2, 300);
  link(0, 1, 200);
  link(2, 3, 210);
  EXPECT_THAT(Prefer(scores, {0, 1, 2, 3}, 2), ElementsAre(2, 3));
}

TEST(PreferWholeTest, RequiredDevicesAreInTheSet) {
  const Scores dgx1 = Dgx1();
  const Set all = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_THAT(Prefer(dgx1, all, 1, {4}), ElementsAre(4));
  EXPECT_THAT(Prefer(dgx1, all, 2, {4}), ElementsAre(4, 7));
  EXPECT_THAT(Prefer(dgx1, all, 4, {4}), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(Prefer(dgx1, all, 4, {0, 2, 4, 6}), ElementsAre(0, 2, 4, 6));
}

TEST(PreferWholeTest, WhereThereIsNoSetTheAnswerIsEmpty) {
  const Scores dgx1 = Dgx1();
  EXPECT_THAT(Prefer(dgx1, {1, 2, 3, 4}, 4, {0}), IsEmpty());
  EXPECT_THAT(Prefer(dgx1, {0, 1, 2, 3}, 2, {0, 1, 2}), IsEmpty());
  EXPECT_THAT(Prefer(dgx1, {0, 1}, 3), IsEmpty());
  EXPECT_THAT(Prefer(dgx1, {0, 1}, 0), IsEmpty());
  EXPECT_THAT(Prefer(dgx1, {0, 1}, -1), IsEmpty());
  EXPECT_THAT(Prefer(dgx1, {}, 2147483647), IsEmpty());
}

TEST(PreferWholeTest, TiesGoByPoolOrderWhateverTheOrderOfTheOffer) {
  const Scores flat(8, std::vector<int>(8, 20));
  Set available = {7, 6, 5, 4, 3, 2, 1};
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(available.begin(), available.end(), random);
    EXPECT_THAT(Prefer(flat, available, 3), ElementsAre(1, 2, 3));
    EXPECT_THAT(Prefer(flat, available, 1), ElementsAre(1));
  }
}

TEST(PreferWholeTest, AgreesWithTryingEveryPartition) {
  std::mt19937 random(99);
  for (int round = 0; round < 250; ++round) {
    const int count = 1 + static_cast<int>(random() % 7U);
    Scores scores(static_cast<std::size_t>(count),
                  std::vector<int>(static_cast<std::size_t>(count)));
    for (std::size_t a = 0; a < scores.size(); ++a) {
      for (std::size_t b = a + 1; b < scores.size(); ++b) {
        scores[a][b] = scores[b][a] = static_cast<int>(random() % 7U) * 50;
      }
    }
    Set all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    for (int size = 1; size <= count; ++size) {
      Set must = all;
      std::shuffle(must.begin(), must.end(), random);
      must.resize(random() % (static_cast<unsigned>(size) + 1U));
      std::sort(must.begin(), must.end());
      Exhaustive exhaustive{scores, size, must};
      EXPECT_EQ(Prefer(scores, all, size, must), exhaustive.Run(all))
          << "round " << round << " size " << size;
    }
  }
}

TEST(PreferWholeTest, UnusableDevicesOnlyWhereThereIsNoOtherWay) {
  Scores scores(4, std::vector<int>(4, 10));
  scores[0][1] = scores[1][0] = 1000;
  std::vector<PoolDevice> pool = Gpus(4);
  pool[0].usable = false;
  const std::vector<std::string> all = Named({0, 1, 2, 3});
  EXPECT_THAT(*PreferWhole(pool, scores, {all, {}, 2}), ElementsAre("GPU-1", "GPU-2"));
  EXPECT_THAT(*PreferWhole(pool, scores, {all, {}, 4}),
              ElementsAre("GPU-0", "GPU-1", "GPU-2", "GPU-3"));
  EXPECT_THAT(*PreferWhole(pool, scores, {all, {"GPU-0"}, 2}), ElementsAre("GPU-0", "GPU-1"));
}

TEST(PreferWholeTest, WhatIsUnknownScoresNothingAndGoesLast) {
  const Scores one_row = {{0, 60}};  // a dead GPU's row is missing
  const std::vector<PoolDevice> pool = Gpus(2);
  EXPECT_THAT(*PreferWhole(pool, one_row, {{"GPU-x", "GPU-1", "GPU-0", "GPU-0"}, {}, 2}),
              ElementsAre("GPU-0", "GPU-1"));
  EXPECT_THAT(*PreferWhole(pool, {}, {{"GPU-x", "GPU-1", "GPU-0"}, {}, 3}),
              ElementsAre("GPU-0", "GPU-1", "GPU-x"));
}

TEST(PreferWholeTest, NonsenseScoresAreBounded) {
  const Scores scores(16, std::vector<int>(16, 2147483647));
  Set all(16);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(Prefer(scores, all, 8).size(), 8U);
  const Scores negative(4, std::vector<int>(4, -2147483647));
  EXPECT_EQ(Prefer(negative, {0, 1, 2, 3}, 2).size(), 2U);
}

TEST(PreferWholeTest, ManyDevicesAreChosenGreedily) {
  Scores scores(40, std::vector<int>(40, 10));
  for (std::size_t a = 30; a < 34; ++a) {
    for (std::size_t b = 30; b < 34; ++b) scores[a][b] = 100;
  }
  Set all(40);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_THAT(Prefer(scores, all, 4, {31}), ElementsAre(30, 31, 32, 33));
}

// A search whose cost grew exponentially would take minutes here.
TEST(PreferWholeTest, SixteenDevicesAreChosenAtAnySize) {
  Scores scores(16, std::vector<int>(16));
  std::mt19937 random(5);
  for (auto& row : scores) {
    for (int& score : row) score = static_cast<int>(random() % 1800U);
  }
  Set all(16);
  std::iota(all.begin(), all.end(), 0);
  for (int size = 1; size <= 16; ++size) {
    EXPECT_EQ(Prefer(scores, all, size).size(), static_cast<std::size_t>(size));
  }
}

}  // namespace
}  // namespace tranche::share
