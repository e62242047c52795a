// The two pages that the programs of a pod and the node program share, each a sealed memfd.
//
// Limits is the node program's: it alone writes it, through a mapping that it made before the seal
// F_SEAL_FUTURE_WRITE; nobody can map it for writing again, the node program's successor included.
// Counters is the pod's: every program of the pod adds what it holds (wire/ledger.h), and may
// scribble over it, which harms this pod's figures only. Neither can change its size.
//
// Both are there for as long as a program has them mapped, whatever becomes of the node program.
// Its successor takes Counters over, makes new Limits, and raises Counters::epoch.
//
// `time:` (fair shares of GPU time) has its place reserved here and nothing else yet.
//
// Threading: what changes is atomic; the rest is written before the descriptor is given away.
// Errors: LimitsFit and CountersFit say whether bytes that came from outside are such a page.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "wire/message.h"

namespace tranche::wire {

// fcntl(2), F_GET_SEALS.
inline constexpr int kSealSeal = 0x1;
inline constexpr int kSealShrink = 0x2;
inline constexpr int kSealGrow = 0x4;
inline constexpr int kSealFutureWrite = 0x10;
inline constexpr int kLimitsSeals = kSealSeal | kSealShrink | kSealGrow | kSealFutureWrite;
inline constexpr int kCountersSeals = kSealSeal | kSealShrink | kSealGrow;

inline constexpr std::uint64_t kLimitsMagic = 0x3153544D494C5254;    // "TRLIMTS1" in memory
inline constexpr std::uint64_t kCountersMagic = 0x31544E554F435254;  // "TRCOUNT1" in memory
inline constexpr unsigned kMaxSlots = 1024;   // programs of one pod that use CUDA at a time
inline constexpr unsigned kMaxShares = 1024;  // allocations that one pod's programs share

using Word = std::atomic<std::uint64_t>;
using HalfWord = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 8 && alignof(Word) == 8);
static_assert(HalfWord::is_always_lock_free && sizeof(HalfWord) == 4);

struct alignas(64) DeviceLimits {
  Uuid uuid;
  Word limit_bytes;    // of all programs of the pod together, contexts included
  Word context_bound;  // what to charge for a context whose bytes are not known
  std::uint64_t device_bytes;
  Word context_known;  // 1: context_bound was measured on this device; 0: it is a guess
  std::uint64_t reserved[2];
  std::uint64_t time[8];  // `time:` later: the gate, in a cache line of its own
};

struct Limits {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t bytes;  // of this struct
  std::uint32_t device_count;
  HalfWord arbiter_away_open;  // 1: a program that is to attach anew and cannot goes on as it is
  std::uint64_t reserved[5];
  DeviceLimits devices[kMaxDevices];
};

struct alignas(64) DeviceTotals {
  // At every instant at least the sum of what the slots hold and of what has no owner (Share).
  Word total_bytes;
  Word refusals;  // allocations refused at the wall
  Word trims;     // times that pools were trimmed before a refusal
  std::uint64_t reserved[5];
};

enum class ContextState : std::uint32_t {
  kNone = 0,
  kKnown,   // Holding::context_bytes was measured
  kBound,   // it is the bound, because no answer came in time: the node program puts it right
  kMaking,  // one is being made, and charged ahead: the node program leaves the figure alone
};

// What one program holds on one device.
struct alignas(64) Holding {
  Word held_bytes;     // allocations
  Word context_bytes;  // the driver's own, for the program's contexts
  // Changes of this holding that were begun, and that ended. Both equal: none is under way.
  Word begun;
  Word ended;
  std::atomic<ContextState> context;
  // Calls of the program under way, between this page and the driver: meanwhile one of the two may
  // be ahead. A shim that does not tell leaves it at 0.
  std::atomic<std::int32_t> under_way;
  std::uint64_t time[3];  // `time:` later
};

// One program of the pod. What says whose it is, the node program writes, for the pod to read; it
// has its own copy and believes nothing of what stands here.
struct alignas(64) Slot {
  HalfWord taken;            // 1 while the program lives
  std::uint32_t pid;         // as the node sees it
  std::uint32_t pid_inside;  // as the program itself sees it
  std::uint32_t reserved;
  std::uint64_t start_ticks;  // since boot, proc(5)
  Word passed_through;        // calls that the shim passed on because of trouble of its own
  std::uint64_t reserved_words[4];
  Holding holdings[kMaxDevices];  // as in Limits::devices
};

// What a program has made known to others, or has opened of another's: so memory whose owner lets
// go of it, or ends, while others still have it stays charged to the pod (wire/shares.h).
enum class ShareKind : std::uint8_t {
  kFree = 0,
  kBusy,    // being filled
  kExport,  // an allocation that its owner has exported, and that is in the owner's holding
  kImport,  // one that a program has opened
  kOrphan,  // one that the owner has no more and others still have: in no slot, but in the total
};
struct alignas(64) Share {
  Word state;  // ShareKind, and above its eight bits the slot whose it is
  Word key;    // the same for the export and its imports; 0: cannot be told, as of a descriptor
  Word bytes;
  HalfWord device;
  std::uint32_t reserved;
  std::uint64_t reserved_words[4];
};

struct Counters {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t bytes;  // of this struct
  std::uint32_t slot_count;
  // A program that finds another number than when it attached attaches anew: it keeps its slot,
  // and gets new Limits.
  HalfWord epoch;
  // Slots from this number on were never taken, and need not be looked at.
  HalfWord slots_used;
  // Shares from this number on were never used.
  HalfWord shares_used;
  std::uint64_t reserved[4];
  DeviceTotals devices[kMaxDevices];
  Slot slots[kMaxSlots];
  Share shares[kMaxShares];
};

static_assert(sizeof(DeviceLimits) == 128 && offsetof(DeviceLimits, time) == 64);
static_assert(offsetof(DeviceLimits, context_known) == 40);
static_assert(sizeof(Limits) == 64 + kMaxDevices * 128 && offsetof(Limits, devices) == 64);
static_assert(offsetof(Limits, arbiter_away_open) == 20);
static_assert(sizeof(DeviceTotals) == 64 && sizeof(Holding) == 64);
static_assert(offsetof(Holding, context) == 32 && offsetof(Holding, under_way) == 36);
static_assert(offsetof(Slot, passed_through) == 24 && offsetof(Slot, holdings) == 64);
static_assert(sizeof(Slot) == 64 + kMaxDevices * 64);
static_assert(offsetof(Counters, epoch) == 20 && offsetof(Counters, slots_used) == 24);
static_assert(offsetof(Counters, devices) == 64);
static_assert(offsetof(Counters, slots) == 64 + kMaxDevices * 64);
static_assert(sizeof(Share) == 64 && offsetof(Share, device) == 24);
static_assert(offsetof(Counters, shares) == 64 + kMaxDevices * 64 + kMaxSlots * sizeof(Slot));
static_assert(sizeof(Counters) == offsetof(Counters, shares) + kMaxShares * sizeof(Share));

// Whether a mapping of so many bytes is a page of this version.
inline bool LimitsFit(const Limits& page, std::size_t bytes) {
  return bytes >= sizeof(Limits) && page.magic == kLimitsMagic && page.version == kVersion &&
         page.bytes == sizeof(Limits) && page.device_count <= kMaxDevices;
}
inline bool CountersFit(const Counters& page, std::size_t bytes) {
  return bytes >= sizeof(Counters) && page.magic == kCountersMagic && page.version == kVersion &&
         page.bytes == sizeof(Counters) && page.slot_count == kMaxSlots;
}

}  // namespace tranche::wire
