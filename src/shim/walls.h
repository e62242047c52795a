// The wall of one device: what an allocation takes of the pod's memory, before the driver is asked,
// and what a free gives back, after the driver has done it.
//
// Threading: any thread; without a lock.
// Errors: trouble of the shim's own lets the call pass, and is counted in the program's slot.
#pragma once

#include "shim/state.h"

namespace tranche::shim {

enum class Verdict {
  kUnwalled,  // nothing was taken, and nothing is to be given back
  kTaken,
  kRefused,
};

struct Taking {
  Verdict verdict;
  unsigned device;  // index into Limits::devices, or kNoWall
};

// The device of the thread's current context; -1 without one.
Device CurrentDevice();
std::uint64_t CurrentContext();

// What the driver takes of a device for an allocation of so many bytes.
std::uint64_t Rounded(std::uint64_t bytes);

// Takes `bytes` on a device of CUDA's. At the wall the pools are trimmed once, and it is tried
// again: `trims` says whether that may be done here.
Taking Take(Program& program, Device ordinal, std::uint64_t bytes, bool trims = true);
// The same on a device of the pages, for more of what was taken already.
bool TakeMore(Program& program, unsigned device, std::uint64_t bytes);
// Without regard to the limit: what the driver has taken already.
void TakeAnyway(Program& program, unsigned device, std::uint64_t bytes);
void Give(Program& program, unsigned device, std::uint64_t bytes);

// Remembers what was taken, or gives it back and counts that, where there is no memory for it.
void Remember(Program& program, const Record& record);

// What one program may be told: of a device's limit, the rest. False where it has no wall.
bool View(Program& program, Device ordinal, std::uint64_t* limit, std::uint64_t* used);

// Forgets what was allocated in a context that is about to end: the bytes of each device, to be
// given back once it has.
struct Forgotten {
  std::uint64_t bytes[wire::kMaxDevices];
};
void ForgetContext(Program& program, Context context, Forgotten* forgotten);

// A context was made on a device, or has ended.
void ContextMade(Program& program, Device ordinal);
void ContextEnded(Program& program, Device ordinal, const Forgotten& forgotten);

}  // namespace tranche::shim
