// What the rest of the library asks of stream capture (sim/cuda/capture.h).
//
// Threading: under the process's lock.
// Errors: CUDA's result codes; kSuccess where capture has nothing against the call.
#pragma once

#include "sim/cuda/objects.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

class Process;

// The stream is being captured: the operation becomes a node.
Result CaptureOperation(StreamObject& stream, const Operation& operation);
Result CaptureRecord(StreamObject& stream, EventObject& event);
// The stream is being captured, or the event was recorded in one that is.
Result CaptureWait(StreamObject& stream, EventObject& event);

// The stream is not captured itself: kStreamCaptureImplicit for the legacy stream of a context in
// which a blocking stream is captured.
Result AllowsWork(StreamObject& stream);
// The stream, event or context is waited for or queried: kStreamCaptureUnsupported,
// kCapturedEvent, ….
Result AllowsWait(StreamObject& stream);
Result AllowsWait(EventObject& event);
Result AllowsWait(ContextObject& context);
// A call that is unsafe while a capture is under way that forbids it to the calling thread:
// cuMemAlloc, cuMemFree, synchronous copies, ….
Result AllowsUnsafeCall(Process& process);
// The stream is being destroyed.
void CaptureStreamDestroyed(StreamObject& stream);

}  // namespace tranche::sim::cuda
