// What a driver lists of all processes of a device, reduced to those of this pod, under the pids
// that the pod sees.
//
// Drivers differ in how they name processes: as the node sees them, or as the caller does. A list
// is taken to be of the first kind where that finds a program of this pod in it.
//
// Threading: any thread.
// Errors: Fetched is false where there is no memory: the call is then passed through.
#pragma once

#include <sys/mman.h>

#include <cstddef>

#include "shim/nvml/hooks.h"
#include "shim/nvml/programs.h"

namespace tranche::shim::nvml {

// A driver's whole list, in memory of its own: what is not the pod's is not for the caller's.
template <typename Entry>
class WholeList {
 public:
  WholeList() = default;
  WholeList(const WholeList&) = delete;
  WholeList& operator=(const WholeList&) = delete;
  ~WholeList() { Drop(); }

  // Asks by `ask(count, entries)`, with more room where it takes more.
  template <typename Ask>
  bool Fetched(Ask ask, Return* result) {
    for (unsigned attempt = 0; attempt < kAttempts; ++attempt) {
      if (!Make(count_ + kRoom)) return false;
      count_ = room_;
      *result = ask(&count_, entries_);
      if (*result != kInsufficientSize) return true;
      if (count_ > kMost) return false;
    }
    return false;
  }

  // Leaves those of this pod; how many there are.
  unsigned KeepOwn(const guest::Pages& pages) {
    const unsigned kept = KeepNamed(pages, Names::kOfTheNode);
    return count_ = kept > 0 ? kept : KeepNamed(pages, Names::kOfThePod);
  }

  // Into the caller's array, as the driver does.
  Return CopyTo(unsigned* count, Entry* entries) const {
    const unsigned room = entries == nullptr ? 0 : *count;
    *count = count_;
    if (count_ > room) return kInsufficientSize;
    for (unsigned i = 0; i < count_; ++i) entries[i] = entries_[i];
    return kSuccess;
  }

 private:
  static constexpr unsigned kAttempts = 4;
  static constexpr unsigned kRoom = 64;  // for processes that come meanwhile
  static constexpr unsigned kMost = 1U << 20U;

  bool Make(unsigned room) {
    Drop();
    void* made = mmap(nullptr, room * sizeof(Entry), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return false;
    entries_ = static_cast<Entry*>(made);
    room_ = room;
    return true;
  }
  void Drop() {
    if (entries_ != nullptr) munmap(entries_, room_ * sizeof(Entry));
    entries_ = nullptr;
  }

  static unsigned& PidOf(unsigned& pid) { return pid; }
  template <typename Other>
  static unsigned& PidOf(Other& entry) {
    return entry.pid;
  }

  // Changes nothing where no entry is the pod's.
  unsigned KeepNamed(const guest::Pages& pages, Names names) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count_; ++i) {
      unsigned pid = 0;
      if (!FindOwn(pages, names, PidOf(entries_[i]), &pid)) continue;
      entries_[kept] = entries_[i];
      PidOf(entries_[kept++]) = pid;
    }
    return kept;
  }

  Entry* entries_ = nullptr;
  unsigned room_ = 0;
  unsigned count_ = 0;
};

}  // namespace tranche::shim::nvml
