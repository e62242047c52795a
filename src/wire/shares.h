// What programs of a pod share with each other, and the memory that stays when its owner goes.
//
// Memory that a program exports is in the owner's holding, and those who open it are charged
// nothing. When the owner frees it or ends while others still have it, the driver keeps it; so does
// the pod's total: the export becomes an orphan, which is in the total and in no slot. The last one
// that closes it gives it back.
//
// A key tells which imports are of an export. Where there is none (a descriptor says nothing of
// what it stands for), sums are compared: orphans without a key are at most as much as what
// programs have opened without a key. That is never too little; it is too much while they have as
// much opened from owners that still live.
//
// An importer notes its import before it asks the driver, and an owner looks for imports after the
// driver has freed: so one of the two sees the other. Whoever ends an import looks for orphans
// after it, and whoever makes an orphan looks for its imports once more.
//
// Threading: any thread of any program, without a lock; LeaveShares is the node program's.
// Errors: kNoShare where the table is full; the memory then goes with its owner.
#pragma once

#include <cstdint>

#include "wire/ledger.h"

namespace tranche::wire {

inline constexpr unsigned kNoShare = UINT32_MAX;
inline constexpr unsigned kAnyDevice = UINT32_MAX;  // of an import: which one is not known
inline constexpr std::uint64_t kUnknownBytes = std::uint64_t{1} << 48U;  // of an import

inline std::uint64_t StateOf(ShareKind kind, unsigned slot) {
  return std::uint64_t{slot} << 8U | static_cast<std::uint64_t>(kind);
}
// Of all pools that are shared by descriptor, which does not say which of them it stands for: a
// pool whose owner has gone stays charged while any program of the pod has any that was imported
// so. Its inode does not say it either: a file of the driver's device node, or another file at each
// export.
inline constexpr std::uint64_t kPoolKey = 2;

inline unsigned SlotOf(std::uint64_t state) { return static_cast<unsigned>(state >> 8U); }

inline unsigned AddShare(Counters& page, ShareKind kind, unsigned slot, unsigned device,
                         std::uint64_t key, std::uint64_t bytes) {
  for (unsigned i = 0; i < kMaxShares; ++i) {
    Share& share = page.shares[i];
    std::uint64_t free = 0;
    if (share.state.load() != 0) continue;
    // Raised before the share is taken: whoever counts shares after that sees it.
    std::uint32_t used = page.shares_used.load();
    while (used < i + 1 && !page.shares_used.compare_exchange_weak(used, i + 1)) {
    }
    if (!share.state.compare_exchange_strong(free, StateOf(ShareKind::kBusy, slot))) continue;
    share.key.store(key);
    share.bytes.store(bytes);
    share.device.store(device);
    share.state.store(StateOf(kind, slot));
    return i;
  }
  return kNoShare;
}

// What there is of one kind: under a key on any device, without a key on this one.
inline std::uint64_t BytesShared(const Counters& page, ShareKind kind, unsigned device,
                                 std::uint64_t key) {
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < SharesUsed(page); ++i) {
    const Share& share = page.shares[i];
    if (KindOf(share.state.load()) != kind || share.key.load() != key) continue;
    const unsigned on = share.device.load();
    if (key != 0 || on == device || on == kAnyDevice) bytes += share.bytes.load();
  }
  return bytes;
}

// Of `bytes` under a key, what others still have.
inline std::uint64_t StillHad(const Counters& page, unsigned device, std::uint64_t key,
                              std::uint64_t bytes) {
  const std::uint64_t imported = BytesShared(page, ShareKind::kImport, device, key);
  if (key != 0) return imported != 0 ? bytes : 0;
  const std::uint64_t orphans = BytesShared(page, ShareKind::kOrphan, device, key);
  const std::uint64_t room = imported > orphans ? imported - orphans : 0;
  return bytes < room ? bytes : room;
}

// Gives back `bytes` of an orphan, or as much as it has.
inline std::uint64_t Shrink(Counters& page, Share& share, std::uint64_t bytes) {
  std::uint64_t state = share.state.load();
  std::uint64_t there = share.bytes.load();
  const unsigned device = share.device.load();
  const std::uint64_t gone = there < bytes ? there : bytes;
  if (KindOf(state) != ShareKind::kOrphan || device >= kMaxDevices || gone == 0) return 0;
  if (!share.bytes.compare_exchange_strong(there, there - gone)) return 0;
  if (there == gone) share.state.compare_exchange_strong(state, 0);
  Lower(page.devices[device].total_bytes, gone);
  return gone;
}

// Gives back what is an orphan under a key that nobody has any more. `slot`: of the program that
// does so, if it is one of the pod.
inline void DropOrphans(Counters& page, std::uint64_t key, unsigned slot) {
  if (key == 0 || BytesShared(page, ShareKind::kImport, kAnyDevice, key) != 0) return;
  for (unsigned i = 0; i < SharesUsed(page); ++i) {
    Share& share = page.shares[i];
    const unsigned device = share.device.load();
    if (KindOf(share.state.load()) != ShareKind::kOrphan || share.key.load() != key) continue;
    if (device >= kMaxDevices) continue;
    if (slot >= kMaxSlots) {
      Shrink(page, share, UINT64_MAX);
      continue;
    }
    Holding& holding = page.slots[slot].holdings[device];
    holding.begun.fetch_add(1);
    Shrink(page, share, UINT64_MAX);
    holding.ended.fetch_add(1);
  }
}

// Takes a note away: that of an import that came to nothing, or of an export that there is already.
inline void DropShare(Counters& page, ShareKind kind, unsigned slot, unsigned index) {
  std::uint64_t own = StateOf(kind, slot);
  if (index < kMaxShares) page.shares[index].state.compare_exchange_strong(own, 0);
}

// A program no longer has what it opened.
inline void EndImport(Counters& page, unsigned slot, unsigned index) {
  if (index >= kMaxShares) return;
  Share& share = page.shares[index];
  const std::uint64_t key = share.key.load();
  std::uint64_t own = StateOf(ShareKind::kImport, slot);
  if (share.state.compare_exchange_strong(own, 0)) DropOrphans(page, key, slot);
}

// A program no longer has what it exported, of `bytes` in its holding. What others still have of it
// becomes an orphan; so much is no longer in the slot, and not to be given back.
inline std::uint64_t EndExport(Counters& page, unsigned slot, unsigned index, std::uint64_t bytes) {
  if (index >= kMaxShares) return 0;
  Share& share = page.shares[index];
  std::uint64_t own = StateOf(ShareKind::kExport, slot);
  const unsigned device = share.device.load();
  if (device >= kMaxDevices || share.state.load() != own) return 0;
  const std::uint64_t key = share.key.load();
  const std::uint64_t kept = StillHad(page, device, key, bytes);
  if (kept == 0) {
    share.state.compare_exchange_strong(own, 0);
    return 0;
  }
  // Who is killed between the two steps has less in its slot than it exported: then the node
  // program does both again, and settles.
  Holding& holding = page.slots[slot].holdings[device];
  holding.begun.fetch_add(1);
  Lower(holding.held_bytes, kept);
  share.bytes.store(kept);
  share.state.compare_exchange_strong(own, StateOf(ShareKind::kOrphan, kMaxSlots));
  holding.ended.fetch_add(1);
  DropOrphans(page, key, slot);
  return kept;
}

// ---- for the node program

// Gives back what no program has any more: without a key by sums, which is not for programs of the
// pod, since two that compare sums at once would give it back twice; and under a key where who was
// to do it has been killed.
inline void SweepOrphans(Counters& page, unsigned device) {
  const std::uint64_t imported = BytesShared(page, ShareKind::kImport, device, 0);
  const std::uint64_t orphans = BytesShared(page, ShareKind::kOrphan, device, 0);
  std::uint64_t excess = orphans > imported ? orphans - imported : 0;
  for (unsigned i = 0; i < SharesUsed(page); ++i) {
    Share& share = page.shares[i];
    std::uint64_t state = share.state.load();
    if (KindOf(state) != ShareKind::kOrphan || share.device.load() != device) continue;
    if (share.bytes.load() == 0) share.state.compare_exchange_strong(state, 0);
    if (const std::uint64_t key = share.key.load(); key != 0) {
      DropOrphans(page, key, kMaxSlots);
    } else {
      excess -= Shrink(page, share, excess);
    }
  }
}

// A program has ended: it has nothing of others any more, and others may have something of it. To
// be followed by Reclaim of its slot.
inline void LeaveShares(Counters& page, unsigned slot) {
  bool any = false;
  for (unsigned i = 0; i < SharesUsed(page); ++i) {
    const std::uint64_t state = page.shares[i].state.load();
    if (SlotOf(state) != slot || KindOf(state) == ShareKind::kFree) continue;
    any = true;
    if (KindOf(state) == ShareKind::kImport) EndImport(page, slot, i);
    if (KindOf(state) == ShareKind::kBusy) page.shares[i].state.store(0);
  }
  for (unsigned i = 0; any && i < SharesUsed(page); ++i) {
    if (page.shares[i].state.load() != StateOf(ShareKind::kExport, slot)) continue;
    EndExport(page, slot, i, page.shares[i].bytes.load());
  }
}

}  // namespace tranche::wire
