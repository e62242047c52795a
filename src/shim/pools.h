// Pools of stream-ordered memory, charged by what they have reserved of the device: a pool keeps
// what programs have freed.
//
// By how much an allocation lets its pool grow, only the driver knows. So the most that it can be
// is taken first, and what it was is settled afterwards: no pool ever holds what was not taken. So
// near its limit a pod is refused an allocation for which its pool still has room in pieces.
//
// The memory of a device's graphs is such a pool, too, with a handle of our own (shim/graphs.h).
//
// Threading: any thread; without a lock.
// Errors: as in shim/walls.h. A pool beyond kMaxPools is not charged, and counted as trouble.
#pragma once

#include "shim/state.h"
#include "shim/walls.h"

namespace tranche::shim {

// What a growing pool takes at least, in the drivers that are known.
inline constexpr std::uint64_t kPoolBlock = 32U << 20U;

// A pool that the program has made or imported. A pool that is not of a device of this program's
// own is `kNoWall`.
PoolRecord* AddPool(Program& program, Pool pool, unsigned device);
PoolRecord* FindPool(Program& program, Pool pool);
// Destroys a pool of this program's. What it was charged is given back once the driver has nothing
// of it: one that is in use is charged on, and the driver told of its end when it is not.
Result DestroyPool(Program& program, PoolRecord& record);

// Of a record that is taken and stands for no pool that the driver knows.
inline Pool NoPool() { return reinterpret_cast<Pool>(UINTPTR_MAX); }  // NOLINT

// What a pool is charged.
std::uint64_t ChargeOf(const PoolRecord& record);

// A captured allocation takes nothing of a pool: its memory is a graph's.
bool IsCapturing(Stream stream);

// Stands for the memory of the graphs of a device of CUDA's.
inline Pool GraphPool(Device ordinal) {
  return reinterpret_cast<Pool>(static_cast<std::uintptr_t>(ordinal) + 1);  // NOLINT
}

// The record of a pool that an allocation names, or, where it names none, of the device's current.
PoolRecord* RecordOf(Program& program, Pool named, Device ordinal);

// Before an allocation of `bytes` from a pool: what to take for its growth. `*taken` is what is
// taken where the answer says so.
Taking TakeGrowth(Program& program, PoolRecord& record, Device ordinal, std::uint64_t bytes,
                  std::uint64_t* taken);
// After it: of what was taken, keeps what the pool has grown by. False where the pool has grown by
// more and the wall is passed.
bool SettleGrowth(Program& program, PoolRecord& record, std::uint64_t taken);

// Gives back what pools have given back to the device meanwhile.
void SettlePools(Program& program);
// What the driver says that pools have reserved on a device, all together.
std::uint64_t ReservedOn(Program& program, unsigned device);
// Lets the pools of a device give back what no program uses, and settles.
void TrimPools(Program& program, unsigned device);

}  // namespace tranche::shim
