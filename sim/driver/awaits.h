// Awaits are the values of counters that a client waits for.
//
// Threading: one thread.
// Errors: Add says false when a client waits for more than any program could.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "sim/link/protocol.h"

namespace tranche::sim::driver {

inline constexpr std::size_t kMaxAwaits = 65536;

class Awaits {
 public:
  using Key = std::pair<link::Counter, std::uint32_t>;

  bool Add(const Key& key, std::uint64_t value) {
    if (count_ >= kMaxAwaits) return false;
    if (values_[key].insert(value).second) ++count_;
    return true;
  }

  // Whether anybody waited for `value` or less; they wait no longer.
  bool Reached(const Key& key, std::uint64_t value) {
    if (values_.empty()) return false;
    const auto at = values_.find(key);
    if (at == values_.end()) return false;
    std::set<std::uint64_t>& values = at->second;
    const auto end = values.upper_bound(value);
    const bool any = end != values.begin();
    for (auto it = values.begin(); it != end; it = values.erase(it)) --count_;
    if (values.empty()) values_.erase(at);
    return any;
  }

  [[nodiscard]] const std::map<Key, std::set<std::uint64_t>>& all() const { return values_; }

 private:
  std::map<Key, std::set<std::uint64_t>> values_;
  std::size_t count_ = 0;
};

}  // namespace tranche::sim::driver
