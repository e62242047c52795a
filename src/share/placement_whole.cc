// Whole GPUs: the best partition of the free ones into sets of the size asked for.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "share/placement.h"

namespace tranche::share {
namespace {

using base::Result;
using Mask = std::uint32_t;

constexpr int kMostExact = 16;  // candidates; 2^16 subsets are looked at no more than once each

// The candidates of one request in pool order, numbered from 0.
struct Candidates {
  std::vector<std::string> ids;
  std::vector<bool> must;
  std::vector<std::vector<int>> score;  // of a pair
  [[nodiscard]] std::size_t size() const { return ids.size(); }
};

// Finds the partition into full sets (and one short one for the remainder) with the highest total.
// Of equal ones it takes the first in lexicographic order, as upstream's search does when its
// devices come in order.
class PartitionSearch {
 public:
  PartitionSearch(const Candidates& candidates, int size)
      : count_(static_cast<int>(candidates.size())), size_(size), short_size_(count_ % size) {
    for (int i = 0; i < count_; ++i) {
      if (candidates.must[static_cast<std::size_t>(i)]) must_ |= Bit(i);
    }
    ScoreSets(candidates);
    best_.assign(set_score_.size(), kUnknown);
  }

  // The set to hand out: the best one of the best partition that has all of must_include.
  std::optional<Mask> Run() {
    Mask left = Bit(count_) - 1;
    if (Total(left) == kImpossible) return std::nullopt;
    std::optional<Mask> chosen;
    while (left != 0) {
      const Mask set = FirstBestSet(left);
      const bool full = std::popcount(set) == size_;
      if (full && (set & must_) == must_ && (!chosen || set_score_[set] > set_score_[*chosen])) {
        chosen = set;
      }
      left &= ~set;
    }
    return chosen;
  }

 private:
  static constexpr int kUnknown = -1;
  static constexpr int kImpossible = -2;

  static Mask Bit(int i) { return Mask{1} << static_cast<unsigned>(i); }

  void ScoreSets(const Candidates& candidates) {
    set_score_.assign(std::size_t{1} << static_cast<unsigned>(count_), 0);
    for (Mask set = 1; set < set_score_.size(); ++set) {
      const int low = std::countr_zero(set);
      const Mask rest = set & (set - 1);
      int score = set_score_[rest];
      for (Mask others = rest; others != 0; others &= others - 1) {
        score += candidates.score[static_cast<std::size_t>(low)]
                                 [static_cast<std::size_t>(std::countr_zero(others))];
      }
      set_score_[set] = score;
    }
  }

  // A set may be part of a partition: full or the short one, and not splitting must_include.
  [[nodiscard]] bool Allowed(Mask set) const {
    const Mask inside = set & must_;
    return inside == 0 || (inside == must_ && std::popcount(set) == size_);
  }

  // Calls visit(set) for each allowed set that extends `set` by devices of `left` above `last`, in
  // lexicographic order of the members (a short set counts as padded with the highest numbers);
  // stops, and says true, when visit says so.
  template <class Visit>
  bool EachSet(Mask left, Mask set, int last, const Visit& visit) const {
    const int members = std::popcount(set);
    if (members == size_) return Allowed(set) && visit(set);
    for (int i = last + 1; i < count_; ++i) {
      if ((left & Bit(i)) != 0 && EachSet(left, set | Bit(i), i, visit)) return true;
    }
    const bool short_is_due = std::popcount(left) % size_ != 0;
    return short_is_due && members == short_size_ && Allowed(set) && visit(set);
  }

  // The sets that the lowest device of `left` can be in.
  template <class Visit>
  void EachFirstSet(Mask left, const Visit& visit) const {
    const int low = std::countr_zero(left);
    EachSet(left, Bit(low), low, visit);
  }

  // The best total for the devices in `left`.
  int Total(Mask left) {
    if (left == 0) return 0;
    int& known = best_[left];
    if (known != kUnknown) return known;
    int best = kImpossible;
    EachFirstSet(left, [&](Mask set) {
      const int rest = Total(left & ~set);
      if (rest != kImpossible) best = std::max(best, set_score_[set] + rest);
      return false;
    });
    return best_[left] = best;
  }

  Mask FirstBestSet(Mask left) {
    const int total = Total(left);
    Mask found = 0;
    EachFirstSet(left, [&](Mask set) {
      const int rest = Total(left & ~set);
      if (rest == kImpossible || set_score_[set] + rest != total) return false;
      found = set;
      return true;
    });
    return found;
  }

  int count_;
  int size_;
  int short_size_;
  Mask must_ = 0;
  std::vector<int> set_score_;  // by set
  std::vector<int> best_;       // Total() by what is left
};

// Adds, one at a time, the device that goes best with those chosen.
std::vector<bool> Greedy(const Candidates& candidates, int size) {
  std::vector<bool> chosen = candidates.must;
  std::vector<int> gain(candidates.size(), 0);
  const auto count_in = [&](std::size_t added) {
    for (std::size_t i = 0; i < candidates.size(); ++i) gain[i] += candidates.score[added][i];
  };
  int count = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!chosen[i]) continue;
    count_in(i);
    ++count;
  }
  for (; count < size; ++count) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!chosen[i] && (!best || gain[i] > gain[*best])) best = i;
    }
    if (!best) break;
    chosen[*best] = true;
    count_in(*best);
  }
  return chosen;
}

// The devices on offer, best tier first: usable ones, unusable ones, ids of no known device.
class Offer {
 public:
  Offer(const std::vector<PoolDevice>& pool, const std::vector<std::vector<int>>& pair_score,
        const PreferredRequest& request)
      : pair_score_(pair_score) {
    std::unordered_map<std::string_view, std::size_t> order;
    for (std::size_t i = 0; i < pool.size(); ++i) order.emplace(pool[i].uuid, i);
    for (const std::string& id : request.available) {
      const auto known = order.find(id);
      const std::size_t place = known == order.end() ? pool.size() : known->second;
      const int tier = place == pool.size() ? 2 : (pool[place].usable ? 0 : 1);
      entries_.push_back({.tier = tier, .order = place, .id = &id});
    }
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return a.order != b.order ? a.order < b.order : *a.id < *b.id;
    });
    const auto same = [](const Entry& a, const Entry& b) { return *a.id == *b.id; };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
    MarkMust(request.must_include);
  }

  [[nodiscard]] bool must_is_available() const { return must_is_available_; }
  [[nodiscard]] std::size_t must_count() const { return must_count_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  // Devices up to the tier that makes `size` possible. Those of the last tier are only as many as
  // are missing, since all better ones will be taken.
  [[nodiscard]] Candidates Choose(std::size_t size) const {
    std::vector<const Entry*> chosen;
    for (const Entry& entry : entries_) {
      if (entry.must || entry.tier == 0) chosen.push_back(&entry);
    }
    for (int tier = 1; tier <= 2 && chosen.size() < size; ++tier) {
      for (const Entry& entry : entries_) {
        if (entry.tier == tier && !entry.must && chosen.size() < size) chosen.push_back(&entry);
      }
    }
    std::sort(chosen.begin(), chosen.end());  // entries_ is in pool order
    return Numbered(chosen);
  }

 private:
  struct Entry {
    int tier = 0;
    std::size_t order = 0;
    const std::string* id = nullptr;
    bool must = false;
  };

  void MarkMust(const std::vector<std::string>& must_include) {
    for (const std::string& id : must_include) {
      const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                      [&](const Entry& one) { return *one.id == id; });
      if (entry == entries_.end()) {
        must_is_available_ = false;
      } else if (!entry->must) {
        entry->must = true;
        ++must_count_;
      }
    }
  }

  [[nodiscard]] int PairScore(std::size_t a, std::size_t b) const {
    if (a == b || a >= pair_score_.size() || b >= pair_score_[a].size()) return 0;
    // A driver's nonsense must neither overflow a sum nor look like "no partition".
    return std::clamp(pair_score_[a][b], 0, 1 << 20);
  }

  [[nodiscard]] Candidates Numbered(const std::vector<const Entry*>& chosen) const {
    Candidates candidates;
    for (const Entry* entry : chosen) {
      candidates.ids.push_back(*entry->id);
      candidates.must.push_back(entry->must);
      std::vector<int>& row = candidates.score.emplace_back();
      for (const Entry* other : chosen) row.push_back(PairScore(entry->order, other->order));
    }
    return candidates;
  }

  const std::vector<std::vector<int>>& pair_score_;
  std::vector<Entry> entries_;
  bool must_is_available_ = true;
  std::size_t must_count_ = 0;
};

}  // namespace

Result<std::vector<std::string>> PreferWhole(const std::vector<PoolDevice>& pool,
                                             const std::vector<std::vector<int>>& pair_score,
                                             const PreferredRequest& request) {
  const Offer offer(pool, pair_score, request);
  if (request.size <= 0 || !offer.must_is_available()) return std::vector<std::string>{};
  const auto size = static_cast<std::size_t>(request.size);
  if (offer.size() < size || offer.must_count() > size) return std::vector<std::string>{};

  const Candidates candidates = offer.Choose(size);
  std::vector<bool> chosen;
  if (candidates.size() <= static_cast<std::size_t>(kMostExact)) {
    const auto set = PartitionSearch(candidates, request.size).Run();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      chosen.push_back(set && ((*set >> i) & 1U) != 0);
    }
  } else {
    chosen = Greedy(candidates, request.size);
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (chosen[i]) out.push_back(candidates.ids[i]);
  }
  return out;
}

}  // namespace tranche::share
