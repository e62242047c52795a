// Pages for tests, in memory that forked programs share.
#pragma once

#include <sys/mman.h>

#include <cstdlib>

#include "wire/pages.h"

namespace tranche::wire::testing {

// Zeroed, shared with children, and given back at the end.
template <class Page>
class Shared {
 public:
  Shared()
      : memory_(mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0)) {
    if (memory_ == MAP_FAILED) std::abort();
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { munmap(memory_, sizeof(Page)); }
  Page& operator*() const { return *static_cast<Page*>(memory_); }
  Page* operator->() const { return static_cast<Page*>(memory_); }

 private:
  void* memory_;
};

// What all slots hold on a device.
inline std::uint64_t SumOfSlots(const Counters& page, unsigned slots, unsigned device) {
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < slots; ++i) {
    const Holding& holding = page.slots[i].holdings[device];
    sum += holding.held_bytes.load() + holding.context_bytes.load();
  }
  return sum;
}

}  // namespace tranche::wire::testing
