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

// While one lives, memory of this program on a device may be changing in the driver and in the
// pages, and not at the same instant. Who measures a context waits until there is none, and while
// it measures none begins: so what the driver says and what the pages say are of one time. Both
// waits are bounded.
class UnderWay {
 public:
  UnderWay() = default;
  UnderWay(Program& program, unsigned device);
  ~UnderWay();
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

  // Lasts as long as this from now on.
  void TakeOver(UnderWay& other) {
    count_ = other.count_;
    told_ = other.told_;
    other.count_ = nullptr;
    other.told_ = nullptr;
  }

 private:
  std::atomic<std::int32_t>* count_ = nullptr;
  std::atomic<std::int32_t>* told_ = nullptr;  // in the page, for the node program
};

struct Taking {
  UnderWay under_way;  // it is, until the driver has been asked
  Verdict verdict;
  unsigned device;  // index into Limits::devices, or kNoWall
};

// The device of the thread's current context; -1 without one.
Device CurrentDevice();
std::uint64_t CurrentContext();

// What the driver takes of a device for an allocation of so many bytes.
std::uint64_t Rounded(std::uint64_t bytes);

// Takes `bytes` on a device of CUDA's. At the wall the pools are trimmed once, and it is tried
// again.
Taking Take(Program& program, Device ordinal, std::uint64_t bytes);
// The same on a device of the pages, for more of what was taken already.
bool TakeMore(Program& program, unsigned device, std::uint64_t bytes);
// Without regard to the limit: what the driver has taken already.
void TakeAnyway(Program& program, unsigned device, std::uint64_t bytes);
void Give(Program& program, unsigned device, std::uint64_t bytes);

// Remembers what was taken, or gives it back and counts that, where there is no memory for it.
void Remember(Program& program, const Record& record);
// Trouble of the shim's own, for the node program to see.
void CountTrouble(Program& program);

// What one program may be told: of a device's limit, the rest. False where it has no wall.
bool View(Program& program, Device ordinal, std::uint64_t* limit, std::uint64_t* used);

// The pages of this program, which it has; attached anew where the node program has made new ones.
const Attachment& Pages(Program& program);
// The index into Limits::devices of a device of CUDA's; kNoWall where that has no wall, or this
// program no pages.
unsigned WallOf(Program& program, Device ordinal);

}  // namespace tranche::shim
