// The functions that make and end graphs, and those about which node waits for which.
#include <algorithm>
#include <cstdio>

#include "sim/cuda/declarations.h"
#include "sim/cuda/graph/graph.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

template <typename Body>
Result GraphCall(const char* name, Graph handle, Body body) {
  return InitCall(name, [&](Process&) -> Result {
    const std::shared_ptr<GraphObject> graph = Graphs().Share(handle);
    return graph == nullptr ? kInvalidValue : body(graph);
  });
}

template <typename Body>
Result NodeCall(const char* name, GraphNode handle, Body body) {
  return InitCall(name, [&](Process&) -> Result {
    const std::shared_ptr<NodeObject> node = Nodes().Share(handle);
    return node == nullptr ? kInvalidValue : body(*node);
  });
}

// The size where `out` is null; else what fits, the rest is null, and `count` is how many there
// are.
Result Give(const std::vector<GraphNode>& nodes, GraphNode* out, std::size_t* count) {
  if (count == nullptr) return kInvalidValue;
  if (out != nullptr) {
    for (std::size_t i = 0; i < *count; ++i) out[i] = i < nodes.size() ? nodes[i] : nullptr;
    *count = std::min(*count, nodes.size());
    return kSuccess;
  }
  *count = nodes.size();
  return kSuccess;
}

void GiveData(const std::vector<GraphEdgeData>& edges, GraphEdgeData* out, std::size_t room) {
  for (std::size_t i = 0; out != nullptr && i < std::min(room, edges.size()); ++i) {
    out[i] = edges[i];
  }
}

struct Edges {
  std::vector<GraphNode> from;
  std::vector<GraphNode> to;
  std::vector<GraphEdgeData> data;
  void Add(const NodeObject& first, const NodeObject& second, const GraphEdgeData& edge) {
    from.push_back(first.handle);
    to.push_back(second.handle);
    data.push_back(edge);
  }
};

Result GetEdges(const char* name, Graph graph, GraphNode* from, GraphNode* to, GraphEdgeData* data,
                std::size_t* count) {
  return GraphCall(name, graph, [&](const auto& found) -> Result {
    if (count == nullptr || (from == nullptr) != (to == nullptr)) return kInvalidValue;
    Edges edges;
    for (const auto& node : found->nodes) {
      for (const Edge& edge : node->before) edges.Add(*edge.from, *node, edge.data);
    }
    std::size_t room = *count;
    if (from != nullptr) GiveData(edges.data, data, room);
    Give(edges.to, to, &room);
    return Give(edges.from, from, count);
  });
}

Result GetDependencies(const char* name, GraphNode node, GraphNode* dependencies,
                       GraphEdgeData* data, std::size_t* count) {
  return NodeCall(name, node, [&](const NodeObject& found) -> Result {
    if (count == nullptr) return kInvalidValue;
    Edges edges;
    for (const Edge& edge : found.before) edges.Add(*edge.from, found, edge.data);
    if (dependencies != nullptr) GiveData(edges.data, data, *count);
    return Give(edges.from, dependencies, count);
  });
}

Result GetDependents(const char* name, GraphNode node, GraphNode* dependents, GraphEdgeData* data,
                     std::size_t* count) {
  return NodeCall(name, node, [&](const NodeObject& found) -> Result {
    if (count == nullptr) return kInvalidValue;
    Edges edges;
    for (const NodeObject* const other : DependentsOf(found)) {
      for (const Edge& edge : other->before) {
        if (edge.from == &found) edges.Add(found, *other, edge.data);
      }
    }
    if (dependents != nullptr) GiveData(edges.data, data, *count);
    return Give(edges.to, dependents, count);
  });
}

Result AddEdges(const char* name, Graph graph, const GraphNode* from, const GraphNode* to,
                const GraphEdgeData* data, std::size_t count) {
  return Call(name, [&](Process&) -> Result {
    GraphObject* const found = Graphs().Find(graph);
    if (found == nullptr || (count != 0 && (from == nullptr || to == nullptr))) {
      return kInvalidValue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Result added =
          AddEdge(*found, from[i], to[i], data == nullptr ? GraphEdgeData{} : data[i]);
      if (added != kSuccess) return added;
    }
    return kSuccess;
  });
}

Result RemoveEdges(const char* name, Graph graph, const GraphNode* from, const GraphNode* to,
                   std::size_t count) {
  return Call(name, [&](Process&) -> Result {
    GraphObject* const found = Graphs().Find(graph);
    if (found == nullptr || (count != 0 && (from == nullptr || to == nullptr))) {
      return kInvalidValue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Result removed = RemoveEdge(*found, from[i], to[i]);
      if (removed != kSuccess) return removed;
    }
    return kSuccess;
  });
}

bool WriteDot(const GraphObject& graph, const char* path) {
  static constexpr const char* kNames[] = {
      "KERNEL",       "MEMCPY",       "MEMSET",           "HOST",           "GRAPH",     "EMPTY",
      "WAIT_EVENT",   "EVENT_RECORD", "EXT_SEMAS_SIGNAL", "EXT_SEMAS_WAIT", "MEM_ALLOC", "MEM_FREE",
      "BATCH_MEM_OP", "CONDITIONAL"};
  std::FILE* const file = std::fopen(path, "we");
  if (file == nullptr) return false;
  std::fprintf(file, "digraph dot {\n");
  for (const auto& node : graph.nodes) {
    std::fprintf(file, "\"%p\" [label=\"%s\"];\n", static_cast<void*>(node->handle),
                 kNames[node->type()]);
    for (const Edge& edge : node->before) {
      std::fprintf(file, "\"%p\" -> \"%p\";\n", static_cast<void*>(edge.from->handle),
                   static_cast<void*>(node->handle));
    }
  }
  std::fprintf(file, "}\n");
  return std::fclose(file) == 0;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGraphCreate(Graph* graph, unsigned flags) {
  return InitCall("cuGraphCreate", [&](Process&) -> Result {
    if (graph == nullptr || flags != 0) return kInvalidValue;
    *graph = NewGraph()->handle;
    return kSuccess;
  });
}

Result cuGraphDestroy(Graph graph) {
  return GraphCall("cuGraphDestroy", graph,
                   [](const std::shared_ptr<GraphObject>& found) -> Result {
                     if (found->belongs_to_node) return kInvalidValue;
                     ForgetGraph(found);
                     return kSuccess;
                   });
}

Result cuGraphClone(Graph* graph_clone, Graph original_graph) {
  return GraphCall("cuGraphClone", original_graph, [&](const auto& found) -> Result {
    if (graph_clone == nullptr) return kInvalidValue;
    *graph_clone = CloneGraph(*found)->handle;
    return kSuccess;
  });
}

Result cuGraphNodeFindInClone(GraphNode* node, GraphNode original_node, Graph cloned_graph) {
  return GraphCall("cuGraphNodeFindInClone", cloned_graph, [&](const auto& found) -> Result {
    if (node == nullptr) return kInvalidValue;
    for (const auto& each : found->nodes) {
      if (each->origin != original_node || original_node == nullptr) continue;
      *node = each->handle;
      return kSuccess;
    }
    return kInvalidValue;
  });
}

Result cuGraphNodeGetType(GraphNode node, GraphNodeType* type) {
  return NodeCall("cuGraphNodeGetType", node, [&](const NodeObject& found) -> Result {
    if (type == nullptr) return kInvalidValue;
    *type = found.type();
    return kSuccess;
  });
}

Result cuGraphGetNodes(Graph graph, GraphNode* nodes, std::size_t* num_nodes) {
  return GraphCall("cuGraphGetNodes", graph, [&](const auto& found) {
    std::vector<GraphNode> handles;
    for (const auto& node : found->nodes) handles.push_back(node->handle);
    return Give(handles, nodes, num_nodes);
  });
}

Result cuGraphGetRootNodes(Graph graph, GraphNode* root_nodes, std::size_t* num_root_nodes) {
  return GraphCall("cuGraphGetRootNodes", graph, [&](const auto& found) {
    std::vector<GraphNode> handles;
    for (const auto& node : found->nodes) {
      if (node->before.empty()) handles.push_back(node->handle);
    }
    return Give(handles, root_nodes, num_root_nodes);
  });
}

Result cuGraphGetEdges(Graph graph, GraphNode* from, GraphNode* to, std::size_t* num_edges) {
  return GetEdges("cuGraphGetEdges", graph, from, to, nullptr, num_edges);
}

Result cuGraphGetEdges_v2(Graph graph, GraphNode* from, GraphNode* to, GraphEdgeData* edge_data,
                          std::size_t* num_edges) {
  return GetEdges("cuGraphGetEdges_v2", graph, from, to, edge_data, num_edges);
}

Result cuGraphNodeGetDependencies(GraphNode node, GraphNode* dependencies,
                                  std::size_t* num_dependencies) {
  return GetDependencies("cuGraphNodeGetDependencies", node, dependencies, nullptr,
                         num_dependencies);
}

Result cuGraphNodeGetDependencies_v2(GraphNode node, GraphNode* dependencies,
                                     GraphEdgeData* edge_data, std::size_t* num_dependencies) {
  return GetDependencies("cuGraphNodeGetDependencies_v2", node, dependencies, edge_data,
                         num_dependencies);
}

Result cuGraphNodeGetDependentNodes(GraphNode node, GraphNode* dependent_nodes,
                                    std::size_t* num_dependent_nodes) {
  return GetDependents("cuGraphNodeGetDependentNodes", node, dependent_nodes, nullptr,
                       num_dependent_nodes);
}

Result cuGraphNodeGetDependentNodes_v2(GraphNode node, GraphNode* dependent_nodes,
                                       GraphEdgeData* edge_data, std::size_t* num_dependent_nodes) {
  return GetDependents("cuGraphNodeGetDependentNodes_v2", node, dependent_nodes, edge_data,
                       num_dependent_nodes);
}

Result cuGraphAddDependencies(Graph graph, const GraphNode* from, const GraphNode* to,
                              std::size_t num_dependencies) {
  return AddEdges("cuGraphAddDependencies", graph, from, to, nullptr, num_dependencies);
}

Result cuGraphAddDependencies_v2(Graph graph, const GraphNode* from, const GraphNode* to,
                                 const GraphEdgeData* edge_data, std::size_t num_dependencies) {
  return AddEdges("cuGraphAddDependencies_v2", graph, from, to, edge_data, num_dependencies);
}

Result cuGraphRemoveDependencies(Graph graph, const GraphNode* from, const GraphNode* to,
                                 std::size_t num_dependencies) {
  return RemoveEdges("cuGraphRemoveDependencies", graph, from, to, num_dependencies);
}

Result cuGraphRemoveDependencies_v2(Graph graph, const GraphNode* from, const GraphNode* to,
                                    const GraphEdgeData* /*edge_data*/,
                                    std::size_t num_dependencies) {
  return RemoveEdges("cuGraphRemoveDependencies_v2", graph, from, to, num_dependencies);
}

Result cuGraphDestroyNode(GraphNode node) {
  return NodeCall("cuGraphDestroyNode", node, [](NodeObject& found) {
    RemoveNode(found);
    return kSuccess;
  });
}

Result cuGraphDebugDotPrint(Graph graph, const char* path, unsigned /*flags*/) {
  return Call("cuGraphDebugDotPrint", [&](Process&) -> Result {
    const GraphObject* const found = Graphs().Find(graph);
    if (found == nullptr || path == nullptr) return kInvalidValue;
    return WriteDot(*found, path) ? kSuccess : kOperatingSystem;
  });
}

Result cuGraphRetainUserObject(Graph graph, UserObject object, unsigned count, unsigned flags) {
  return Call("cuGraphRetainUserObject", [&](Process&) -> Result {
    GraphObject* const found = Graphs().Find(graph);
    if (found == nullptr || (flags & ~kGraphUserObjectMove) != 0) return kInvalidValue;
    return found->user_objects.Retain(object, count, (flags & kGraphUserObjectMove) != 0);
  });
}

Result cuGraphReleaseUserObject(Graph graph, UserObject object, unsigned count) {
  return Call("cuGraphReleaseUserObject", [&](Process&) -> Result {
    GraphObject* const found = Graphs().Find(graph);
    if (found == nullptr) return kInvalidValue;
    const Result released = found->user_objects.Release(object, count);
    DestroyUserObjects();
    return released;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
