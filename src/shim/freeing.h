// Memory that the program has told the driver to free in the order of a stream: charged until the
// stream has come to it, which an event of the shim's own tells.
//
// Of so many at a time (kMaxFrees) it is known where they stand; for more, all of the table is
// looked through.
//
// Threading: any thread; without a lock.
// Errors: where the driver gives no event, the memory is given back when the call is made.
#pragma once

#include "shim/walls.h"

namespace tranche::shim {

// While one lives, nothing that this thread asks of the driver ends a capture.
class Relaxed {
 public:
  Relaxed();
  ~Relaxed();
  Relaxed(const Relaxed&) = delete;
  Relaxed& operator=(const Relaxed&) = delete;

 private:
  int mode_;
};

// The entry of an address that is to be freed, taken out of the table; false where it is not known.
bool TakeFreed(Program& program, std::uint64_t address, Record* record);
// The driver has taken the call: `record` is given back once the stream has come to it.
void FreeLater(Program& program, const Record& record, Stream stream);
// Gives back what streams have freed meanwhile.
void SettleFrees(Program& program);
// One of them is about to be given back, or ends with its context.
void NoLongerFreeing(Program& program, const Record& record);

}  // namespace tranche::shim
