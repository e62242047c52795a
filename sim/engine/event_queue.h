// EventQueue says what happens next. Whoever has something to come owns a Timer; a timer is set for
// one moment at most, and setting it again moves it. What is due at the same moment comes in the
// order in which it was set.
//
// Each change costs O(log n), and nothing is kept of a timer that is not set.
//
// Threading: one thread.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "sim/engine/engine.h"

namespace tranche::sim::engine {

struct Stream;
class Turns;
class CopyEngine;

struct Timer {
  using Owner = std::variant<Stream*, Turns*, CopyEngine*>;

  explicit Timer(Owner of) : owner(of) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  static constexpr std::size_t kNotSet = ~std::size_t{0};
  Owner owner;
  Time due = 0;
  std::uint64_t order = 0;
  std::size_t position = kNotSet;  // in the heap
};

class EventQueue {
 public:
  void Set(Timer& timer, Time due);
  void Cancel(Timer& timer);

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] Time Next() const { return heap_.front()->due; }  // not empty
  Timer& Take();                                                  // not empty

 private:
  static bool Before(const Timer& a, const Timer& b);
  void Place(std::size_t position, Timer* timer);
  void Rise(std::size_t position);
  void Sink(std::size_t position);

  std::vector<Timer*> heap_;
  std::uint64_t order_ = 0;
};

}  // namespace tranche::sim::engine
