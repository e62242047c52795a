#include "sim/cuda/graph/graph.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace tranche::sim::cuda {

Table<Graph, GraphObject>& Graphs() {
  static auto* const table = new Table<Graph, GraphObject>();
  return *table;
}

Table<GraphNode, NodeObject>& Nodes() {
  static auto* const table = new Table<GraphNode, NodeObject>();
  return *table;
}

std::shared_ptr<GraphObject> NewGraph() {
  auto graph = std::make_shared<GraphObject>();
  graph->handle = Graphs().Add(graph);
  return graph;
}

std::shared_ptr<GraphObject> CloneGraph(const GraphObject& graph) {
  auto clone = std::make_shared<GraphObject>(GraphObject{.user_objects = graph.user_objects});
  clone->handle = Graphs().Add(clone);
  std::unordered_map<const NodeObject*, NodeObject*> twins;
  for (const auto& node : graph.nodes) {
    auto twin = std::make_shared<NodeObject>(*node);
    twin->handle = Nodes().Add(twin);
    twin->graph = clone.get();
    twin->origin = node->handle;
    if (node->child != nullptr) {
      twin->child = CloneGraph(*node->child);
      twin->child->belongs_to_node = true;
    }
    twins.emplace(node.get(), twin.get());
    clone->nodes.push_back(std::move(twin));
  }
  for (const auto& node : clone->nodes) {
    for (Edge& edge : node->before) edge.from = twins.at(edge.from);
  }
  return clone;
}

void ForgetGraph(const std::shared_ptr<GraphObject>& graph) {
  for (const auto& node : graph->nodes) {
    if (node->child != nullptr) ForgetGraph(node->child);
    Nodes().Remove(node->handle);
  }
  Graphs().Remove(graph->handle);
}

Result AddNode(GraphObject& graph, const GraphNode* dependencies, const GraphEdgeData* data,
               std::size_t count, NodeObject node, NodeObject** added) {
  if (count != 0 && dependencies == nullptr) return kInvalidValue;
  std::unordered_set<const NodeObject*> seen;
  for (std::size_t i = 0; i < count; ++i) {
    NodeObject* const from = Nodes().Find(dependencies[i]);
    if (from == nullptr || from->graph != &graph || !seen.insert(from).second) {
      return kInvalidValue;
    }
    node.before.push_back({from, data == nullptr ? GraphEdgeData{} : data[i]});
  }
  auto object = std::make_shared<NodeObject>(std::move(node));
  object->handle = Nodes().Add(object);
  object->graph = &graph;
  *added = object.get();
  graph.nodes.push_back(std::move(object));
  return kSuccess;
}

Result AddEdge(GraphObject& graph, GraphNode from, GraphNode to, const GraphEdgeData& data) {
  NodeObject* const first = Nodes().Find(from);
  NodeObject* const second = Nodes().Find(to);
  if (first == nullptr || second == nullptr || first == second) return kInvalidValue;
  if (first->graph != &graph || second->graph != &graph) return kInvalidValue;
  const auto same = [&](const Edge& edge) { return edge.from == first; };
  if (std::any_of(second->before.begin(), second->before.end(), same)) return kInvalidValue;
  second->before.push_back({first, data});
  return kSuccess;
}

Result RemoveEdge(GraphObject& graph, GraphNode from, GraphNode to) {
  NodeObject* const second = Nodes().Find(to);
  if (second == nullptr || second->graph != &graph) return kInvalidValue;
  const std::size_t removed =
      std::erase_if(second->before, [&](const Edge& edge) { return edge.from->handle == from; });
  return removed != 0 ? kSuccess : kInvalidValue;
}

void RemoveNode(NodeObject& node) {
  GraphObject& graph = *node.graph;
  for (const auto& other : graph.nodes) {
    std::erase_if(other->before, [&](const Edge& edge) { return edge.from == &node; });
  }
  if (node.child != nullptr) ForgetGraph(node.child);
  const auto kept = Nodes().Remove(node.handle);
  std::erase(graph.nodes, kept);
}

std::vector<NodeObject*> DependentsOf(const NodeObject& node) {
  std::vector<NodeObject*> dependents;
  for (const auto& other : node.graph->nodes) {
    const auto waits = [&](const Edge& edge) { return edge.from == &node; };
    if (std::any_of(other->before.begin(), other->before.end(), waits)) {
      dependents.push_back(other.get());
    }
  }
  return dependents;
}

std::vector<NodeObject*> InOrder(const GraphObject& graph) {
  std::vector<NodeObject*> order;
  std::unordered_map<const NodeObject*, std::vector<NodeObject*>> after;
  std::unordered_map<const NodeObject*, std::size_t> left;
  for (const auto& node : graph.nodes) {
    left[node.get()] = node->before.size();
    for (const Edge& edge : node->before) after[edge.from].push_back(node.get());
    if (node->before.empty()) order.push_back(node.get());
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (NodeObject* const next : after[order[i]]) {
      if (--left[next] == 0) order.push_back(next);
    }
  }
  if (order.size() != graph.nodes.size()) order.clear();
  return order;
}

}  // namespace tranche::sim::cuda
