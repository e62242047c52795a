// Contexts that a program makes before it has its pod's pages, since nobody has answered it yet:
// where the pod is refused memory meanwhile, it gets contexts all the same, and nothing can be
// taken for them. They are noted, and charged as soon as the program has its pages, before it is
// let allocate anything.
//
// Threading: any thread; a context may be made while another thread gets the pages.
// Errors: where the node program does not say what they take, an upper bound is charged.
#pragma once

#include "shim/state.h"

namespace tranche::shim {

// A context was made on a device without asking its wall. Charged at once where the program has its
// pages by now.
void NoteEarlyPrimary(Program& program, Device ordinal, Context made);
void NoteEarlyContext(Program& program, Device ordinal, Context made);

// The program has its pages.
void ChargeEarly(Program& program);

}  // namespace tranche::shim
