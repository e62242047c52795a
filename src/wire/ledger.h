// Reserving and releasing memory in a pod's Counters: by any thread of any program of the pod,
// without a lock, and exact whenever a program is killed.
//
// A reservation raises the device's total first and then what the program's own slot holds; a
// release lowers the slot first and then the total. So at every instruction the total is at least
// the sum of the slots, and a program that is killed between the two leaves the total too high,
// never too low. It can be told: the slot's changes that were begun are then more than those that
// ended. Settle finds out by how much, at an instant at which no other program is in between.
//
// Threading: all of it from any thread and program at once, but for Reclaim and Settle, which one
// program calls, the node program.
// Errors: none; what does not fit is refused. Slots and devices are the caller's to check: below
// kMaxSlots and kMaxDevices.
#pragma once

#include <cstdint>

#include "wire/pages.h"

namespace tranche::wire {

enum class Part { kHeld, kContext };

inline constexpr std::uint64_t kNoLimit = UINT64_MAX;

inline Word& PartOf(Holding& holding, Part part) {
  return part == Part::kHeld ? holding.held_bytes : holding.context_bytes;
}

// Lowers by `bytes`, or to 0 where there is less; by how much it did.
inline std::uint64_t Lower(Word& word, std::uint64_t bytes) {
  std::uint64_t now = word.load();
  std::uint64_t taken = 0;
  do {
    taken = now < bytes ? now : bytes;
  } while (!word.compare_exchange_weak(now, now - taken));
  return taken;
}

inline ShareKind KindOf(std::uint64_t state) { return static_cast<ShareKind>(state & 0xFF); }
inline unsigned SharesUsed(const Counters& page) {
  const unsigned used = page.shares_used.load();
  return used < kMaxShares ? used : kMaxShares;
}

// Bytes that no program of the pod owns any more, and that some of them still have open.
inline std::uint64_t OrphansOn(const Counters& page, unsigned device) {
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < SharesUsed(page); ++i) {
    const Share& share = page.shares[i];
    if (KindOf(share.state.load()) != ShareKind::kOrphan) continue;
    if (share.device.load() == device) bytes += share.bytes.load();
  }
  return bytes;
}

// Takes `bytes` of the pod's memory for the program in `slot`; false, and nothing is taken, where
// the pod would then have more than `limit`. No other reservation ever sees what is refused.
inline bool Reserve(Counters& page, unsigned slot, unsigned device, Part part, std::uint64_t bytes,
                    std::uint64_t limit) {
  Holding& holding = page.slots[slot].holdings[device];
  Word& total = page.devices[device].total_bytes;
  holding.begun.fetch_add(1);
  std::uint64_t now = total.load();
  do {
    if (bytes > limit || now > limit - bytes) {
      holding.ended.fetch_add(1);
      return false;
    }
  } while (!total.compare_exchange_weak(now, now + bytes));
  PartOf(holding, part).fetch_add(bytes);
  holding.ended.fetch_add(1);
  return true;
}

// Gives back what Reserve has taken.
inline void Release(Counters& page, unsigned slot, unsigned device, Part part,
                    std::uint64_t bytes) {
  Holding& holding = page.slots[slot].holdings[device];
  holding.begun.fetch_add(1);
  const std::uint64_t taken = Lower(PartOf(holding, part), bytes);
  Lower(page.devices[device].total_bytes, taken);
  holding.ended.fetch_add(1);
}

// ---- for the node program

// Gives back what a program held that has ended. False: it was killed in the middle of a change,
// and Settle is to follow.
inline bool Reclaim(Counters& page, unsigned slot, unsigned device) {
  Holding& holding = page.slots[slot].holdings[device];
  const bool whole = holding.begun.load() == holding.ended.load();
  std::uint64_t bytes = holding.held_bytes.exchange(0);
  bytes += holding.context_bytes.exchange(0);
  holding.context.store(ContextState::kNone);
  holding.under_way.store(0);
  holding.begun.store(0);
  holding.ended.store(0);
  Lower(page.devices[device].total_bytes, bytes);
  return whole;
}

// Lowers the total of a device to what the slots hold and what has no owner, once programs that
// were killed have been reclaimed. Only the first `slots` were ever in use. False: some program was
// changing its holding, and it is to be tried again.
inline bool Settle(Counters& page, unsigned slots, unsigned device) {
  // What has ended by now, in all slots …
  std::uint64_t ended = 0;
  for (unsigned i = 0; i < slots; ++i) ended += page.slots[i].holdings[device].ended.load();
  const std::uint64_t total = page.devices[device].total_bytes.load();
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < slots; ++i) {
    const Holding& holding = page.slots[i].holdings[device];
    sum += holding.held_bytes.load() + holding.context_bytes.load();
  }
  sum += OrphansOn(page, device);
  // … is all that has been begun since: so nothing was under way, and what was read belongs
  // together. What is too much stays so until it is taken away here.
  std::uint64_t begun = 0;
  for (unsigned i = 0; i < slots; ++i) begun += page.slots[i].holdings[device].begun.load();
  if (begun != ended) return false;
  if (total > sum) Lower(page.devices[device].total_bytes, total - sum);
  return true;
}

}  // namespace tranche::wire
