// Counts what a test takes from the heap: bytes, which are the same on a slow machine and a fast
// one.
//
// A test program that uses it has the operators new and delete of heap.cc.
//
// Threading: any thread; one watch at a time.
// Errors: none.
#pragma once

#include <cstddef>

namespace tranche::base::testing {

class HeapWatch {
 public:
  // From now on.
  HeapWatch();
  // The most that was in use at once, beyond what was in use at the start.
  [[nodiscard]] std::size_t Most() const;

 private:
  std::size_t start_;
};

}  // namespace tranche::base::testing
