// What the shim remembers in one program: whether there are walls, and what the program has. It
// lies in memory that a forked child finds empty, so that the child begins anew: none of its
// parent's memory on a device is its own.
//
// Threading: any thread; all that changes is atomic.
// Errors: ThisProgram() is null where there is no memory for it, and every call is passed through.
#pragma once

#include <atomic>
#include <cstdint>

#include "shim/abi.h"
#include "shim/table.h"
#include "wire/pages.h"

namespace tranche::shim {

inline constexpr int kMaxOrdinals = 64;  // of CUDA's devices; those beyond have no walls
inline constexpr unsigned kMaxPools = 256;
inline constexpr unsigned kMaxFrees = 256;

// The pages of the pod, as this program got them. Never changed once it is published, and never
// unmapped: another thread may be reading it.
struct Attachment {
  const wire::Limits* limits;
  wire::Counters* counters;
  unsigned slot;
  std::uint32_t epoch;
  std::uint8_t wall_of[kMaxOrdinals];  // CUDA's ordinal to the index in Limits, or kNoWall
};

enum class Phase : std::uint32_t {
  kFresh = 0,  // not asked for walls yet
  kAsking,     // a thread is asking
  kWalled,
  kOpen,    // no walls: calls are passed through
  kClosed,  // nobody answered, and memory is refused without an answer
};

// What a pool has reserved, of which the program is charged for all (shim/pools.h).
struct PoolRecord {
  std::atomic<Pool> pool;
  std::atomic<std::uint64_t> charge;  // bytes, and a count (pools.cc)
  std::atomic<std::uint32_t> device;  // kNoWall: of the host, or another program's
  // One more than CUDA's ordinal of its device, where this program has made it.
  std::atomic<std::uint32_t> made;
  // The program has destroyed it, and something of it is in use: the driver has not been told yet.
  std::atomic<bool> ended;
  // With other programs (shim/pool_share.h): its note, as Record::share; what was taken for it and
  // is not settled yet; and of an import, how many uses of it there are.
  std::atomic<std::uint32_t> share;
  std::atomic<std::uint64_t> ahead;
  std::atomic<std::uint32_t> uses;
};

struct DeviceRecord {
  std::atomic<std::int32_t> contexts;
  // The primary context as it is accounted for: its number, its handle, and its bytes
  // (shim/contexts.cc).
  std::atomic<std::uint64_t> primary_id;
  std::atomic<Context> primary;
  std::atomic<std::uint64_t> primary_bytes;
  // Threads that retain it because it is there, and threads that may end it.
  std::atomic<std::int32_t> retaining;
  std::atomic<std::int32_t> releasing;
  // Contexts that were made before the program had its pages (shim/early.h): 1 where some are to be
  // charged, and how many of them it made beside the primary one.
  std::atomic<std::uint32_t> early;
  std::atomic<std::uint32_t> early_made;
};

// What is under way on a device of the pages (shim/walls.h: UnderWay).
struct WallRecord {
  std::atomic<std::int32_t> under_way;
  std::atomic<std::uint32_t> measuring;
  // Threads that have brought a pool's charge down and have not given the bytes back yet.
  std::atomic<std::int32_t> settling;
  // Taken ahead for contexts that the driver is making (shim/contexts.h).
  std::atomic<std::uint64_t> ahead;
  // How those that are made are charged, which Holding::context says while none is being made.
  std::atomic<wire::ContextState> made;
};

// Of the memory of graphs (shim/graphs.h).
struct GraphRecord {
  std::atomic<std::uint64_t> devices;  // bit N: some graph takes memory of device N
  // How often memory was taken from graphs that have run; who is doing so, and which launches are
  // under way that count on what their graphs have.
  std::atomic<std::uint64_t> epoch;
  std::atomic<std::int32_t> takers;
  std::atomic<std::int32_t> relaunches;
};

// Frees that wait for a stream (shim/freeing.h).
struct FreeRecord {
  std::atomic<std::uint32_t> count;
  std::atomic<bool> looking;  // a thread looks which of them have come to pass
  std::atomic<std::uint32_t> used;
  // Their events, which are keys of the table. The lowest bit: Kind::kFreeingPointer.
  std::atomic<std::uint64_t> events[kMaxFrees];
  std::atomic<bool> beyond;  // there are more of them in the table
};

struct Program {
  std::atomic<Phase> phase;
  std::atomic<const Attachment*> attachment;
  Attachment first;               // the one that it got first, where it has one
  std::atomic<std::int32_t> pid;  // where the kernel cannot empty the memory for a child, else 0
  std::atomic<bool> no_room;      // the last answer was that no slot is left
  std::atomic<std::int64_t> ask_again;  // not before: for new pages, by NowMilliseconds
  std::atomic<std::uint32_t> pools_used;
  std::atomic<std::uint32_t> pointers;  // of other programs' pools
  FreeRecord frees;
  GraphRecord graphs;
  DeviceRecord devices[kMaxOrdinals];
  WallRecord walls[wire::kMaxDevices];
  PoolRecord pools[kMaxPools];
  Table table;
};

Program* ThisProgram();

}  // namespace tranche::shim
