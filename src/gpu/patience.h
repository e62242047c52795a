// Patience says from when on a call that fails means something. One failure says nothing about a
// GPU: a driver is busy, or out of memory for a moment. Several in a row over some seconds do.
//
// Threading: a plain object without a clock; one thread at a time.
// Errors: none.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace tranche::gpu {

// So many failures in a row, and at least so long from the first to the last of them.
inline constexpr int kFailuresThatCount = 3;
inline constexpr auto kSpanThatCounts = std::chrono::seconds(5);

class Patience {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // What fails at this look, by name, with the error. What is not among it works again. Returned is
  // the part that has failed for long enough.
  std::map<std::string, std::string> Failing(const std::map<std::string, std::string>& errors,
                                             Time now) {
    std::erase_if(rows_, [&](const auto& row) { return !errors.contains(row.first); });
    std::map<std::string, std::string> counts;
    for (const auto& [name, error] : errors) {
      Row& row = rows_.try_emplace(name, Row{.first = now}).first->second;
      ++row.failures;
      row.counts = Counts(row, now);
      if (row.counts) counts[name] = error;
    }
    return counts;
  }

  // Something fails, but not yet for long enough: the next look should come soon.
  [[nodiscard]] bool waiting() const {
    for (const auto& [name, row] : rows_) {
      if (!row.counts) return true;
    }
    return false;
  }

  // How often in a row it has failed until now.
  [[nodiscard]] int failures(const std::string& name) const {
    const auto row = rows_.find(name);
    return row == rows_.end() ? 0 : row->second.failures;
  }

 private:
  struct Row {
    Time first;
    int failures = 0;
    bool counts = false;
  };
  static bool Counts(const Row& row, Time now) {
    return row.counts || (row.failures >= kFailuresThatCount && now - row.first >= kSpanThatCounts);
  }

  std::map<std::string, Row> rows_;
};

}  // namespace tranche::gpu
