// What programs of a pod do that mean harm to others, for tests of the walls.
#pragma once

#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <random>

#include "wire/shares.h"

namespace tranche::node::walls::testing {

// Some words of a pod's counters become others, the first ones and those that were used more often
// than the rest.
inline void Scribble(wire::Counters& page, std::uint64_t seed) {
  constexpr int kWrites = 256;
  constexpr std::array<std::uint64_t, 8> kWords{
      0, 1, 0xFF, UINT64_MAX, UINT64_MAX - 1, 1ULL << 63U, 1ULL << 30U, 1024};
  constexpr std::size_t kAll = sizeof(wire::Counters) / sizeof(wire::Word);
  constexpr std::size_t kFirst = (sizeof(wire::Slot) * 4 + offsetof(wire::Counters, slots)) / 8;
  constexpr std::size_t kShares = offsetof(wire::Counters, shares) / 8;
  std::minstd_rand random(static_cast<unsigned>(seed % 2147483646 + 1));
  auto* words = reinterpret_cast<wire::Word*>(&page);
  for (int i = 0; i < kWrites; ++i) {
    const std::uint64_t value = i % 3 == 0 ? random() * random() : kWords[random() % kWords.size()];
    const std::array at{random() % kAll, random() % kFirst, kShares + random() % (kAll - kShares)};
    words[at[random() % at.size()]].store(value);
  }
}

// The same, without a pause, by a process of its own, which ends with this one.
inline void Hammer(wire::Counters& page) {
  if (fork() != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (std::uint64_t seed = 1;; ++seed) Scribble(page, seed);
}

// As many notes as there is room for, so that each takes as long as can be to be dealt with: half
// of them orphans under keys of their own, half of them this program's exports.
inline void Clutter(wire::Counters& page, unsigned slot) {
  for (unsigned i = 0; i < wire::kMaxShares; ++i) {
    wire::Share& share = page.shares[i];
    share.key.store(i + 1);
    share.bytes.store(1);
    share.device.store(0);
    share.state.store(i % 2 == 0 ? wire::StateOf(wire::ShareKind::kOrphan, wire::kMaxSlots)
                                 : wire::StateOf(wire::ShareKind::kExport, slot));
  }
  page.shares_used.store(wire::kMaxShares);
}

inline void SitEverywhere(wire::Counters& page, unsigned own) {
  for (wire::Slot& slot : page.slots) {
    slot.pid = page.slots[own].pid;
    slot.pid_inside = page.slots[own].pid_inside;
    slot.start_ticks = page.slots[own].start_ticks;
    slot.taken.store(1);
  }
  page.slots_used.store(wire::kMaxSlots);
}

// fork() with the pid that the child is to have, as after all pids have been gone through; -1 where
// that pid is in use, or this may not choose.
inline pid_t ForkAs(pid_t pid) {
#if defined(__SANITIZE_THREAD__)
  return -1;  // a fork that this sanitizer does not know of
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return -1;
#endif
#endif
  clone_args how{};
  how.exit_signal = SIGCHLD;
  how.set_tid = reinterpret_cast<std::uint64_t>(&pid);
  how.set_tid_size = 1;
  return static_cast<pid_t>(syscall(SYS_clone3, &how, sizeof how));
}

}  // namespace tranche::node::walls::testing
