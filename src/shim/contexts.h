// What the driver takes for contexts of its own, and what ends with a context.
//
// Before the driver makes a context, the most that one is known to take is charged; then the node
// program is asked what the driver has taken for this program, and the part that is no allocation
// is charged in its place. Meanwhile no other thread allocates or frees.
//
// Threading: any thread. Who allocates waits for a thread that measures, a fraction of a second at
// most; threads that make contexts wait for each other, some seconds at most.
// Errors: where the node program does not answer in time, an upper bound is charged.
#pragma once

#include "shim/walls.h"

namespace tranche::shim {

// Takes what a context may need, ahead of it. False: the pod has not so much left, which is
// counted.
bool TakeContext(Program& program, Device ordinal, std::uint64_t* ahead);
// There is no such context after all.
void DropContext(Program& program, Device ordinal, std::uint64_t ahead);

enum class Room {
  kHeeded,
  kTaken,  // the context stays whether there is room for it or not
};

// A context was made: charges what it takes in place of what was taken ahead. False: it does not
// fit. It is to be ended, and then dropped.
bool ContextMade(Program& program, Device ordinal, std::uint64_t ahead, Room room,
                 std::uint64_t* charged);

// What was allocated or opened in a context that is about to end: taken out before the driver is
// asked, since its addresses may be another's afterwards, and given back once it has ended.
struct Forgotten {
  static constexpr unsigned kMostShared = 64;  // of what is shared with other programs
  std::uint64_t bytes[wire::kMaxDevices];
  unsigned shared_count;
  Record shared[kMostShared];
};
void ForgetContext(Program& program, Context context, Forgotten* forgotten);

// A context that was charged has ended.
void ContextEnded(Program& program, Device ordinal, std::uint64_t charged,
                  const Forgotten& forgotten);

// Charges what all contexts of a device take, whatever has been charged for them; where that is not
// known, `others` of them, for which nothing has been, by the bound.
void CountAnew(Program& program, Device ordinal, unsigned others);

// Sees to it that the primary context of a device is accounted for as the driver has it: made,
// gone, or gone and made anew, whichever thread did that. `handle` is the context's, or null where
// the caller has none; `ahead` is what the caller has taken for it, and is used up unless the
// answer is false: it does not fit, and is to be released and dropped.
bool FollowPrimary(Program& program, Device ordinal, Context handle, std::uint64_t ahead,
                   Room room = Room::kHeeded);

// While one lives the primary context of a device does not end by another thread's call, or who
// finds it there and retains it would make it anew, which nothing was taken for. Both waits are
// bounded.
class PrimaryUse {
 public:
  PrimaryUse(Program& program, Device ordinal);
  ~PrimaryUse() { End(); }
  PrimaryUse(const PrimaryUse&) = delete;
  PrimaryUse& operator=(const PrimaryUse&) = delete;
  void End();

 private:
  std::atomic<std::int32_t>* count_ = nullptr;
};
// While one lives, the primary context may end.
class PrimaryEnd {
 public:
  PrimaryEnd(Program& program, Device ordinal);
  ~PrimaryEnd();
  PrimaryEnd(const PrimaryEnd&) = delete;
  PrimaryEnd& operator=(const PrimaryEnd&) = delete;

 private:
  std::atomic<std::int32_t>* count_ = nullptr;
};

}  // namespace tranche::shim
