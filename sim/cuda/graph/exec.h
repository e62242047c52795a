// ExecObject is what cuGraphInstantiate makes of a graph: the nodes of it and of its child graphs
// in one row, each after what it waits for.
//
// A launch is one task of its stream: the driver knows the graph and runs its nodes side by side
// in the time of the node, and the effects are done here in the order of the row. A graph with host
// functions or events, or with more nodes than the driver takes, is launched node by node instead.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/cuda/graph/graph.h"

namespace tranche::sim::cuda {

struct ExecNode {
  GraphNode source = nullptr;      // the graph's node
  std::vector<GraphNode> parents;  // the nodes of kind kNodeGraph that it is in, outermost first
  std::shared_ptr<const NodeParameters> parameters;
  Operation operation;
  std::vector<unsigned> before;  // places in the row
  bool enabled = true;
};

struct ExecObject : std::enable_shared_from_this<ExecObject> {
  GraphExec handle = nullptr;
  std::uint64_t flags = 0;
  std::vector<ExecNode> nodes;
  std::shared_ptr<GraphObject> shape;  // a copy, for a launch that is captured
  bool node_by_node = false;
  std::uint64_t id = 0;  // by which the driver knows it; 0: it does not, or no longer as it is
  std::uint32_t id_context = 0;
  std::shared_ptr<const std::vector<Effect>> effects;
};

Table<GraphExec, ExecObject>& Execs();

// kInvalidValue where nodes wait for each other in a circle.
Result Instantiate(const GraphObject& graph, std::uint64_t flags,
                   std::shared_ptr<ExecObject>* exec);
void ForgetExec(const std::shared_ptr<ExecObject>& exec);
Result LaunchGraph(ExecObject& exec, StreamObject& stream);
// Takes what its allocation nodes will need when it is launched in that stream.
Result UploadGraph(ExecObject& exec, StreamObject& stream);
// Makes it do what `graph` does, which must have the same shape.
Result UpdateExec(ExecObject& exec, const GraphObject& graph, ExecUpdateInfo* info);

// nullptr: the graph that `exec` was made of has no such node.
ExecNode* FindExecNode(ExecObject& exec, GraphNode source);
// Gives a node what `made` does; kInvalidValue where that is of another type.
Result SetExecNode(ExecObject& exec, ExecNode* node, const NodeObject& made);
Result SetExecChild(ExecObject& exec, GraphNode node, const GraphObject& child);
// The driver's copy is out of date.
void Outdate(ExecObject& exec);

}  // namespace tranche::sim::cuda
