// The workloads that are about memory, well-behaved and not.
//
// Threading: one thread.
// Errors: memory that is refused is counted. It ends none of the Run functions; another error does.
#pragma once

#include "sim/workloads/session.h"

namespace tranche::sim::workloads {

// Takes the settings' memory in pieces. False where one of them is refused; what was taken is kept.
bool TakeMemory(Session& session);

void RunHold(Session& session);
void RunStorm(Session& session);
void RunLeak(Session& session);
void RunGreedy(Session& session);

}  // namespace tranche::sim::workloads
