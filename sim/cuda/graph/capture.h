// Stream capture: calls that give work to a captured stream become nodes of a graph.
//
// A session begins in one stream and spreads to others that wait for its events; each stream of it
// has the nodes that its next one will wait for. A rule broken invalidates the session: it answers
// kStreamCaptureInvalidated until it is ended, and gives no graph.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes; kSuccess where capture has nothing against the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "sim/cuda/graph/graph.h"
#include "sim/cuda/objects.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

class Process;

struct CaptureSession {
  using Tips = std::vector<GraphNode>;
  std::uint64_t id = 0;
  CaptureMode mode = kCaptureGlobal;
  bool invalidated = false;
  int thread = 0;                  // which began it
  StreamObject* origin = nullptr;  // in which it began
  std::shared_ptr<GraphObject> graph;
  bool into_given_graph = false;  // cuStreamBeginCaptureToGraph
  std::map<StreamObject*, Tips> streams;
  std::map<const EventObject*, Tips> events;
  std::vector<GraphEdgeData> edges;  // what the last question for them was answered with
};

// ---- what the rest of the library asks

// The stream is being captured: the operation becomes a node.
Result CaptureOperation(StreamObject& stream, const Operation& operation);
Result CaptureGraph(StreamObject& stream, const GraphObject& graph);
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

// ---- what the capture functions do

// Into a graph of its own where `graph` is null.
Result BeginCapture(StreamObject& stream, CaptureMode mode, std::shared_ptr<GraphObject> graph,
                    const GraphNode* dependencies, std::size_t count);
Result EndCapture(StreamObject& stream, Graph* graph);
// What the calling thread's unsafe calls heed; see cuThreadExchangeStreamCaptureMode.
CaptureMode& ModeOfThread();

}  // namespace tranche::sim::cuda
