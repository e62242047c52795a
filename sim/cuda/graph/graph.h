// GraphObject is a CUDA graph: nodes and what each of them waits for. NodeObject is one of its
// nodes: what it does (sim/cuda/node.h) and the Operation that does it.
//
// A graph is a description only. cuGraphInstantiate makes an ExecObject of it
// (sim/cuda/graph/exec.h), which is what runs; stream capture (sim/cuda/graph/capture.h) makes
// graphs of calls.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes. A wrong handle of a graph or a node is kInvalidValue, as in the real
// library.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/graph/user_objects.h"
#include "sim/cuda/node.h"
#include "sim/cuda/objects.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

struct GraphObject;
struct NodeObject;

struct Edge {
  NodeObject* from = nullptr;
  GraphEdgeData data{};
};

struct NodeObject {
  GraphNode handle = nullptr;
  GraphObject* graph = nullptr;
  std::shared_ptr<const NodeParameters> parameters;
  // For kernels, copies, fills and host functions; else it does nothing itself.
  Operation operation;
  std::shared_ptr<GraphObject> child;  // kNodeGraph
  std::vector<Edge> before;            // what it waits for, in the order in which it was said
  GraphNode origin = nullptr;          // the node that this one is a clone of
  std::map<LaunchAttributeId, LaunchAttributeValue> attributes;
  [[nodiscard]] GraphNodeType type() const { return parameters->type; }
};

struct GraphObject {
  Graph handle = nullptr;
  bool belongs_to_node = false;  // of a node of kind kNodeGraph: not the program's to destroy
  std::vector<std::shared_ptr<NodeObject>> nodes;  // in the order in which they were added
  UserReferences user_objects;
};

Table<Graph, GraphObject>& Graphs();
Table<GraphNode, NodeObject>& Nodes();

std::shared_ptr<GraphObject> NewGraph();
// A copy with nodes of its own, child graphs included.
std::shared_ptr<GraphObject> CloneGraph(const GraphObject& graph);
// Takes its handle and those of its nodes away.
void ForgetGraph(const std::shared_ptr<GraphObject>& graph);

// Puts `node`, which has what it does, into the graph. Dependencies are nodes of the graph, none
// twice; `data` may be null.
Result AddNode(GraphObject& graph, const GraphNode* dependencies, const GraphEdgeData* data,
               std::size_t count, NodeObject node, NodeObject** added);
Result AddEdge(GraphObject& graph, GraphNode from, GraphNode to, const GraphEdgeData& data);
Result RemoveEdge(GraphObject& graph, GraphNode from, GraphNode to);
void RemoveNode(NodeObject& node);
[[nodiscard]] std::vector<NodeObject*> DependentsOf(const NodeObject& node);

// The nodes in an order in which each comes after what it waits for; empty where a circle leaves
// none, though the graph has nodes.
[[nodiscard]] std::vector<NodeObject*> InOrder(const GraphObject& graph);

// ---- what a node does

// `context`, or the calling thread's where that is null.
Result ContextFor(Context context, std::shared_ptr<ContextObject>* found);
// Each fills parameters and operation of `node`, and leaves the rest.
Result SetKernel(const KernelNodeParams& parameters, NodeObject* node);
Result SetCopy(const Memcpy3d& copy, Context context, NodeObject* node);
Result SetFill(const MemsetNodeParams& fill, Context context, NodeObject* node);
Result SetHost(const HostNodeParams& host, NodeObject* node);
Result SetEvent(GraphNodeType type, Event event, NodeObject* node);
Result SetChild(const GraphObject& child, NodeObject* node);
Result SetAlloc(const MemAllocNodeParams& alloc, NodeObject* node);
Result SetFree(DevicePtr pointer, NodeObject* node);
void SetEmpty(NodeObject* node);
// Any of them, from the one struct for all of cuGraphAddNode; what an allocation's address is comes
// back in it.
Result SetAny(GraphNodeParams* parameters, NodeObject* node);
KernelNodeParams Newer(const KernelNodeParamsV1& parameters);

}  // namespace tranche::sim::cuda
