// Stream capture: calls that give work to a captured stream become nodes of a graph.
//
// A session begins in one stream and spreads to others that wait for its events; each stream of it
// has the nodes that its next one will wait for. A rule broken invalidates the session: it answers
// kStreamCaptureInvalidated until it is ended, and gives no graph.
//
// The rest of the library gives work to a session and asks what it allows by sim/cuda/capture.h.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "sim/cuda/capture.h"
#include "sim/cuda/graph/graph.h"
#include "sim/cuda/objects.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

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
  Tips left;  // of streams that were destroyed
  std::map<const EventObject*, Tips> events;
  std::vector<GraphEdgeData> edges;  // what the last question for them was answered with
};

// The launch of a graph in a captured stream becomes a node.
Result CaptureGraph(StreamObject& stream, const GraphObject& graph);

// Into a graph of its own where `graph` is null.
Result BeginCapture(StreamObject& stream, CaptureMode mode, std::shared_ptr<GraphObject> graph,
                    const GraphNode* dependencies, std::size_t count);
Result EndCapture(StreamObject& stream, Graph* graph);
// What the calling thread's unsafe calls heed; see cuThreadExchangeStreamCaptureMode.
CaptureMode& ModeOfThread();

}  // namespace tranche::sim::cuda
