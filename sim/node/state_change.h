// Changes the state of a simulated node from inside its libraries, hence without our other
// libraries and without exceptions. sim::StateWriter is for everybody else.
//
// Threading: safe on any thread; changes of one node wait for each other.
// Errors: a number of errno.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim/node/state.h"

namespace tranche::sim {

// Lets write(sequence) change `state`, which the caller has locked and mapped for writing, so that
// readers see all of the change or none, and wakes those who wait for one. `sequence` is what
// NodeHeader::sequence is meanwhile.
void PublishChange(NodeState* state, const std::function<void(std::uint32_t sequence)>& write);

// Makes a change that cannot fail to the state in the file at `path`. 0, or why it was not made:
// whoever may only read the file gets EACCES or EROFS.
int ChangeState(const std::string& path, const std::function<void(NodeState&)>& change);

}  // namespace tranche::sim
