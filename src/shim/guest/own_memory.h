// What a library remembers in one program lies in memory that a forked child finds empty, so that
// the child begins anew.
//
// Threading: any thread; without a lock.
// Errors: null where there is no memory for it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace tranche::shim::guest {

inline constexpr int kWipeOnFork = 18;  // MADV_WIPEONFORK, of Linux 4.14

template <typename Record>
Record* MakeOwnMemory(std::atomic<Record*>& place) {
  void* made =
      mmap(nullptr, sizeof(Record), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return nullptr;
  auto* fresh = static_cast<Record*>(made);  // zeros are what each member begins with
  if (madvise(made, sizeof(Record), kWipeOnFork) != 0) fresh->pid.store(getpid());
  Record* there = place.load();
  do {
    // Another thread of this program was faster, unless what is there is a parent's.
    if (there != nullptr && (there->pid.load() == 0 || there->pid.load() == getpid())) {
      munmap(made, sizeof(Record));
      return there;
    }
  } while (!place.compare_exchange_weak(there, fresh));
  return fresh;
}

// This program's record, which begins as zeros. Its member `pid` is 0, or the program's own where
// the kernel cannot empty the memory for a child.
template <typename Record>
Record* OwnMemory(std::atomic<Record*>& place) {
  Record* there = place.load(std::memory_order_acquire);
  if (there == nullptr) return MakeOwnMemory(place);
  const std::int32_t pid = there->pid.load(std::memory_order_relaxed);
  if (pid != 0 && pid != getpid()) [[unlikely]] {
    return MakeOwnMemory(place);
  }
  return there;
}

}  // namespace tranche::shim::guest
