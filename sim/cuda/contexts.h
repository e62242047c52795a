// Contexts: how they begin and end, and which one a thread uses.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <memory>

#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

// Makes the driver's side of `context`, whose device and flags are set: kOutOfMemory where it does
// not fit into the device's memory.
Result BeginContext(const std::shared_ptr<ContextObject>& context);
// Ends all that belongs to it: streams, events, memory, what waits in its streams. The handle of a
// primary context stays, and answers kContextIsDestroyed until the next retain.
void EndContext(ContextObject& context);
// Called with every context that ends, before its memory goes: for what other files keep of it.
using ContextEnd = void (*)(ContextObject& context);
void OnContextEnd(ContextEnd function);

// Makes a context current to the calling thread: on top of its stack, or in place of the top.
void PushContext(Context context);
void ReplaceContext(Context context);
Context PopContext();
// Whether a number is a set of CUctx_flags.
bool ValidContextFlags(unsigned flags);

}  // namespace tranche::sim::cuda
