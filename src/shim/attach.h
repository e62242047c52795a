// Asking the node program for the pod's pages, and what a context takes. Both are bounded: the
// first waits a second at most, once for each program, the second 100 ms.
//
// Threading: any thread. One thread asks; the others wait for it, a little longer than it may.
// Errors: told by the phase; nothing is written anywhere.
#pragma once

#include "shim/state.h"

namespace tranche::shim {

// The program's phase after asking where that has not been done yet. Never kFresh but where the
// driver knows no devices yet, which is passed through.
Phase Attached(Program& program);

// Attaches anew, because the node program has made new pages. What is there stays on failure.
void AttachAnew(Program& program);

// What the driver has taken for this program's context on a device; false where there is no answer.
bool MeasureContext(const Attachment& attachment, unsigned device, std::uint64_t* bytes);

}  // namespace tranche::shim
