// Memory that programs of the pod share (wire/shares.h): what this one has exported, and what it
// has opened of others.
//
// Threading: any thread; without a lock.
// Errors: what there is no place for is counted as trouble, and goes with its owner.
#pragma once

#include "shim/walls.h"

namespace tranche::shim {

// What names the same memory in all programs; never 0.
std::uint64_t KeyOf(const void* handle, std::size_t bytes);

// Notes that an allocation of this program has been exported.
void NoteExport(Program& program, Kind kind, std::uint64_t handle, std::uint64_t key);

// Notes an import before the driver is asked: one more than its place, or 0 where this program has
// no pages. A note is ended by GiveBack of the record that has it, or by DropImport.
unsigned NoteImport(Program& program, std::uint64_t key);
void DropImport(Program& program, unsigned share);
// Now its size or its device are known.
void ImportIs(Program& program, unsigned share, std::uint64_t bytes);
void ImportIsOn(Program& program, unsigned share, unsigned device);

// Ends what a record has to do with others; of its bytes, those that stay with the pod.
std::uint64_t EndShare(Program& program, const Record& record);
// Gives back what the driver has freed: all but what other programs still have. Of any kind of
// record that can be freed.
void GiveBack(Program& program, const Record& record);

}  // namespace tranche::shim
