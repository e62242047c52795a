// Pools that programs of the pod share (wire/shares.h). The maker of a pool is charged for all that
// it has reserved. When the maker ends, or destroys it, while others have imported it, all of that
// stays with the pod until the last of them has destroyed its import and freed what it has opened:
// what of it a driver keeps for them, only the driver knows.
//
// Threading: any thread; without a lock.
// Errors: what there is no place for is counted as trouble, and goes with its owner.
#pragma once

#include "shim/state.h"

namespace tranche::shim {

// Notes that a pool of this program has been exported.
void NotePoolExport(Program& program, PoolRecord& record, std::uint64_t key);
// What was taken for a pool and is not settled yet: so much more, or less. What others may still
// have of it is never told to be less than it has reserved.
void Ahead(Program& program, PoolRecord& record, std::uint64_t change);
// The pool is to be destroyed; of its charge, what stays with the pod.
std::uint64_t EndPoolExport(Program& program, PoolRecord& record);

// A pool was imported, which has the note `share`.
void BeginPoolImport(PoolRecord& record, unsigned share);
// One more use of it, an address. False: it is no import.
bool AddPoolUse(PoolRecord& record);
// A use of the pool at a place (one more than that) has ended: its handle, or an address.
void EndPoolUse(Program& program, unsigned place);
unsigned PlaceOf(const Program& program, const PoolRecord& record);

// The record stands for no pool from now on.
void Forget(PoolRecord& record);

}  // namespace tranche::shim
