// LegacyOrder says of one context when a task of its legacy stream may begin: when all is done that
// was submitted to its blocking streams before.
//
// Blocking tasks are counted by age. A task of the legacy stream begins a new age, and waits until
// all older ones are over. That the blocking tasks of an age wait for the legacy tasks before them
// is the caller's part; so no age ends before an older one, and there are never more ages than
// unfinished tasks.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace tranche::sim::engine {

class LegacyOrder {
 public:
  using Age = std::uint64_t;

  // A task is submitted to a blocking stream. Leave says that it is done.
  Age Enter() {
    ++unfinished_.back();
    return Newest();
  }
  bool Leave(Age age) {  // true: an age is over
    --unfinished_[static_cast<std::size_t>(age - oldest_)];
    const Age before = oldest_;
    while (unfinished_.size() > 1 && unfinished_.front() == 0) {
      unfinished_.pop_front();
      ++oldest_;
    }
    return oldest_ != before;
  }

  // A task is submitted to the legacy stream: it may begin when MayBegin of what this gives.
  Age Divide() {
    if (unfinished_.back() > 0) {
      unfinished_.push_back(0);
    }
    return Newest();
  }
  [[nodiscard]] bool MayBegin(Age age) const { return oldest_ >= age; }

 private:
  [[nodiscard]] Age Newest() const { return oldest_ + unfinished_.size() - 1; }

  std::deque<std::uint64_t> unfinished_ = {0};  // by age, from oldest_; never empty
  Age oldest_ = 0;
};

}  // namespace tranche::sim::engine
