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
    double seconds = 0;
    double parts = 0;
    for (auto window = windows_.rbegin(); window != windows_.rend(); ++window) {
      seconds += window->first;
      parts += window->second;
      if (seconds >= kOver) {
        windows_.erase(windows_.begin(), window.base() - 1);
        break;
      }
    }
    while (windows_.size() > kMostWindows) windows_.pop_front();
    percent_ = seconds > 0 ? std::clamp(100 * parts / seconds, 0.0, 100.0) : 0;
  }
  [[nodiscard]] const std::optional<double>& percent() const { return percent_; }

 private:
  std::deque<std::pair<double, double>> windows_;
  std::optional<double> percent_;
};

}  // namespace tranche::node::sight
