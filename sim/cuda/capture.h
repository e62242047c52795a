// What the rest of the library asks of stream capture (sim/cuda/graph/capture.h).
//
// Threading: under the process's lock.
// Errors: CUDA's result codes; kSuccess where capture has nothing against the call.
#pragma once

#include "sim/cuda/objects.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

class Process;

// Makes the operation a node of the capture in which the stream is.
Result CaptureOperation(StreamObject& stream, const Operation& operation);
Result CaptureRecord(StreamObject& stream, EventObject& event);
// The same of a wait, where the stream is captured or the event was recorded in a capture.
Result CaptureWait(StreamObject& stream, EventObject& event);

// Whether work may be given to a stream that is not captured itself: kStreamCaptureImplicit for the
// legacy stream of a context in which a blocking stream is captured.
Result AllowsWork(StreamObject& stream);
// Whether a stream, event or context may be waited for or queried: kStreamCaptureUnsupported,
// kCapturedEvent, ….
Result AllowsWait(StreamObject& stream);
Result AllowsWait(EventObject& event);
Result AllowsWait(ContextObject& context);
// Whether the calling thread may make a call that is unsafe during a capture: cuMemAlloc,
// cuMemFree, synchronous copies, ….
Result AllowsUnsafeCall(Process& process);
// To be called when a stream is being destroyed.
void CaptureStreamDestroyed(StreamObject& stream);

}  // namespace tranche::sim::cuda
