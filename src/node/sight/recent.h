// For which part of the last ten seconds something was so: the windows of a GPU's time that make
// these up, and what lies in them.
//
// Threading: a plain value, one thread.
// Errors: none; before the first window the part is not known.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace tranche::node::sight {

class Recent {
 public:
  static constexpr double kOver = 10;  // seconds
  static constexpr std::size_t kMostWindows = 64;

  // The next window: its length, and for how long of it it was so, in seconds.
  void Note(double length, double part) {
    windows_.emplace_back(length, part);
    seconds_ += length;
    while (windows_.size() > kMostWindows || seconds_ - windows_.front().first >= kOver) {
      seconds_ -= windows_.front().first;
      windows_.pop_front();
    }
  }
  // Made when it is asked for, which is more seldom than windows come.
  [[nodiscard]] std::optional<double> percent() const {
    if (windows_.empty()) return std::nullopt;
    double seconds = 0;
    double parts = 0;
    for (const auto& [length, part] : windows_) {
      seconds += length;
      parts += part;
    }
    return seconds > 0 ? std::clamp(100 * parts / seconds, 0.0, 100.0) : 0;
  }

 private:
  std::deque<std::pair<double, double>> windows_;
  double seconds_ = 0;  // of all windows
};

}  // namespace tranche::node::sight
