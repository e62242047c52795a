// The functions that add nodes to graphs.
#include "sim/cuda/declarations.h"
#include "sim/cuda/graph/graph.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

struct Place {
  GraphNode* added;
  Graph graph;
  const GraphNode* dependencies;
  std::size_t count;
  const GraphEdgeData* edges = nullptr;
};

// set(node) fills what the new node does.
template <typename Set>
Result AddTo(const Place& place, Set set) {
  GraphObject* const graph = Graphs().Find(place.graph);
  if (graph == nullptr || place.added == nullptr) return kInvalidValue;
  NodeObject node;
  if (const Result made = set(&node); made != kSuccess) return made;
  NodeObject* added = nullptr;
  const std::shared_ptr<GraphObject> child = node.child;
  const Result result =
      AddNode(*graph, place.dependencies, place.edges, place.count, std::move(node), &added);
  if (result == kSuccess) {
    *place.added = added->handle;
  } else if (child != nullptr) {
    ForgetGraph(child);
  }
  return result;
}

// The real library looks at the graph before it looks whether it is initialised.
template <typename Set>
Result AddUnchecked(const char* name, const Place& place, Set set) {
  return Call(name, [&](Process&) { return AddTo(place, set); });
}

template <typename Set>
Result Add(const char* name, const Place& place, Set set) {
  return InitCall(name, [&](Process&) { return AddTo(place, set); });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGraphAddKernelNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                            std::size_t num_dependencies, const KernelNodeParamsV1* node_params) {
  return Add("cuGraphAddKernelNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) {
               return node_params == nullptr ? kInvalidValue : SetKernel(Newer(*node_params), node);
             });
}

Result cuGraphAddKernelNode_v2(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                               std::size_t num_dependencies, const KernelNodeParams* node_params) {
  return Add("cuGraphAddKernelNode_v2", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) {
               return node_params == nullptr ? kInvalidValue : SetKernel(*node_params, node);
             });
}

Result cuGraphAddMemcpyNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                            std::size_t num_dependencies, const Memcpy3d* copy_params,
                            Context context) {
  return Add("cuGraphAddMemcpyNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) {
               return copy_params == nullptr ? kInvalidValue : SetCopy(*copy_params, context, node);
             });
}

Result cuGraphAddMemsetNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                            std::size_t num_dependencies, const MemsetNodeParams* memset_params,
                            Context context) {
  return Add("cuGraphAddMemsetNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) {
               return memset_params == nullptr ? kInvalidValue
                                               : SetFill(*memset_params, context, node);
             });
}

Result cuGraphAddHostNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                          std::size_t num_dependencies, const HostNodeParams* node_params) {
  return AddUnchecked("cuGraphAddHostNode", {graph_node, graph, dependencies, num_dependencies},
                      [&](NodeObject* node) {
                        return node_params == nullptr ? kInvalidValue : SetHost(*node_params, node);
                      });
}

Result cuGraphAddChildGraphNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                                std::size_t num_dependencies, Graph child_graph) {
  return Add("cuGraphAddChildGraphNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) {
               const GraphObject* const child = Graphs().Find(child_graph);
               return child == nullptr ? kInvalidValue : SetChild(*child, node);
             });
}

Result cuGraphAddEmptyNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                           std::size_t num_dependencies) {
  return AddUnchecked("cuGraphAddEmptyNode", {graph_node, graph, dependencies, num_dependencies},
                      [](NodeObject* node) {
                        SetEmpty(node);
                        return kSuccess;
                      });
}

Result cuGraphAddEventRecordNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                                 std::size_t num_dependencies, Event event) {
  return AddUnchecked("cuGraphAddEventRecordNode",
                      {graph_node, graph, dependencies, num_dependencies},
                      [&](NodeObject* node) { return SetEvent(kNodeEventRecord, event, node); });
}

Result cuGraphAddEventWaitNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                               std::size_t num_dependencies, Event event) {
  return AddUnchecked("cuGraphAddEventWaitNode",
                      {graph_node, graph, dependencies, num_dependencies},
                      [&](NodeObject* node) { return SetEvent(kNodeWaitEvent, event, node); });
}

Result cuGraphAddMemAllocNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                              std::size_t num_dependencies, MemAllocNodeParams* node_params) {
  return Add("cuGraphAddMemAllocNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) -> Result {
               if (node_params == nullptr) return kInvalidValue;
               const Result made = SetAlloc(*node_params, node);
               if (made == kSuccess) node_params->pointer = node->parameters->alloc.pointer;
               return made;
             });
}

Result cuGraphAddMemFreeNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                             std::size_t num_dependencies, DevicePtr dptr) {
  return Add("cuGraphAddMemFreeNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) { return SetFree(dptr, node); });
}

Result cuGraphAddNode(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                      std::size_t num_dependencies, GraphNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return Add("cuGraphAddNode", {graph_node, graph, dependencies, num_dependencies},
             [&](NodeObject* node) { return SetAny(node_params, node); });
}

Result cuGraphAddNode_v2(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,
                         const GraphEdgeData* dependency_data, std::size_t num_dependencies,
                         GraphNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return Add("cuGraphAddNode_v2",
             {graph_node, graph, dependencies, num_dependencies, dependency_data},
             [&](NodeObject* node) { return SetAny(node_params, node); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
