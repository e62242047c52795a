#include "sim/cuda/graph/exec.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "sim/cuda/graph/capture.h"
#include "sim/cuda/graph/memory.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

using Places = std::vector<unsigned>;

// Adds the graph's nodes to the row. `start`: what its first ones wait for; `ends`: those after
// which all of it is done.
bool Flatten(const GraphObject& graph, const std::vector<GraphNode>& parents, const Places& start,
             std::vector<ExecNode>* row, Places* ends) {
  const std::vector<NodeObject*> order = InOrder(graph);
  if (order.size() != graph.nodes.size()) return false;
  std::unordered_map<const NodeObject*, Places> ends_of;
  for (const NodeObject* const node : order) {
    Places before;
    for (const Edge& edge : node->before) {
      const Places& more = ends_of.at(edge.from);
      before.insert(before.end(), more.begin(), more.end());
    }
    if (node->before.empty()) before = start;
    std::sort(before.begin(), before.end());
    before.erase(std::unique(before.begin(), before.end()), before.end());
    Places& own_ends = ends_of[node];
    if (node->child != nullptr) {
      std::vector<GraphNode> inner = parents;
      inner.push_back(node->handle);
      if (!Flatten(*node->child, inner, before, row, &own_ends)) return false;
      continue;
    }
    own_ends = {static_cast<unsigned>(row->size())};
    row->push_back({.source = node->handle,
                    .parents = parents,
                    .parameters = node->parameters,
                    .operation = node->operation,
                    .before = std::move(before)});
  }
  *ends = start;
  for (const NodeObject* const node : order) {
    if (!DependentsOf(*node).empty()) continue;
    ends->insert(ends->end(), ends_of[node].begin(), ends_of[node].end());
  }
  return true;
}

bool IsHostOrEvent(const ExecNode& node) {
  switch (node.parameters->type) {
    case kNodeHost:
    case kNodeWaitEvent:
    case kNodeEventRecord:
      return true;
    default:
      return node.operation.kind != PendingItem::Kind::kEffect;
  }
}

// As the driver wants it: at most four dependencies a node; nodes that only wait take the others.
std::vector<link::GraphNode> ForDriver(const ExecObject& exec) {
  std::vector<link::GraphNode> nodes;
  std::vector<std::uint32_t> place_of;
  for (const ExecNode& node : exec.nodes) {
    std::vector<std::uint32_t> before;
    for (const unsigned place : node.before) before.push_back(place_of[place]);
    constexpr std::size_t kMost = std::size(link::GraphNode{}.dependencies);
    while (before.size() > kMost) {
      link::GraphNode gather{.work = link::Work::kAfter, .dependency_count = kMost};
      std::copy_n(before.end() - kMost, kMost, gather.dependencies);
      before.resize(before.size() - kMost);
      before.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back(gather);
    }
    link::GraphNode task{.work = node.enabled ? node.operation.work : link::Work::kAfter,
                         .name = node.enabled ? node.operation.name : 0,
                         .amount = node.enabled ? node.operation.amount : 0,
                         .dependency_count = static_cast<std::uint32_t>(before.size())};
    std::copy(before.begin(), before.end(), task.dependencies);
    place_of.push_back(static_cast<std::uint32_t>(nodes.size()));
    nodes.push_back(task);
  }
  return nodes;
}

// Tells the driver of the graph. False: it does not take it.
Result Define(ExecObject& exec, std::uint32_t context, bool* taken) {
  static std::uint64_t last_id = 0;
  const std::vector<link::GraphNode> nodes = ForDriver(exec);
  *taken = nodes.size() <= link::kMaxGraphNodes;
  if (!*taken) return kSuccess;
  const link::GraphDefine define{
      .graph = ++last_id, .context = context, .nodes = static_cast<std::uint32_t>(nodes.size())};
  link::Answer answer{};
  const Result defined = Process::Get().connection().Request(
      link::Kind::kGraphDefine, define, &answer,
      {.tail = nodes.data(), .tail_bytes = nodes.size() * sizeof nodes[0]});
  *taken = defined == kSuccess;
  if (defined == kNotSupported) return kSuccess;
  if (defined != kSuccess) return defined;
  exec.id = last_id;
  exec.id_context = context;
  auto effects = std::make_shared<std::vector<Effect>>();
  for (const ExecNode& node : exec.nodes) {
    if (node.enabled && node.operation.effect) effects->push_back(node.operation.effect);
  }
  exec.effects = std::move(effects);
  return kSuccess;
}

Result LaunchNode(const ExecNode& node, StreamObject& stream) {
  switch (node.parameters->type) {
    case kNodeWaitEvent:
    case kNodeEventRecord: {
      const auto event = Process::Get().events().Share(node.parameters->event);
      if (event == nullptr) return kSuccess;  // destroyed meanwhile
      return node.parameters->type == kNodeWaitEvent ? WaitEvent(stream, *event)
                                                     : RecordEvent(stream, *event);
    }
    case kNodeEmpty:
    case kNodeMemAlloc:
    case kNodeMemFree:
      return kSuccess;
    default:
      return Enqueue(stream, node.operation);
  }
}

// Memory for the allocation nodes, all or none.
Result TakeMemory(const ExecObject& exec, StreamObject& stream) {
  std::vector<GraphAllocation*> taken;
  for (const ExecNode& node : exec.nodes) {
    GraphAllocation* const memory = node.parameters->memory.get();
    if (memory == nullptr) continue;
    if (memory->in_use() && (exec.flags & kInstantiateAutoFreeOnLaunch) != 0) {
      memory->Free(&stream);
    }
    const Result result = memory->in_use() ? kInvalidValue : memory->Take(stream);
    if (result == kSuccess) {
      taken.push_back(memory);
      continue;
    }
    for (GraphAllocation* const one : taken) one->Free(&stream);
    return result;
  }
  return kSuccess;
}

// What the graph frees itself is there for the next one in the stream.
void FreeMemory(const ExecObject& exec, StreamObject& stream) {
  for (const ExecNode& node : exec.nodes) {
    if (node.parameters->type != kNodeMemFree) continue;
    GraphAllocation* const memory = FindGraphAllocation(node.parameters->freed);
    if (memory != nullptr) memory->Free(&stream);
  }
}

Result LaunchNodeByNode(const ExecObject& exec, StreamObject& stream) {
  const std::vector<ExecNode> nodes = exec.nodes;  // they may be changed while this waits for room
  const auto kept = stream.shared_from_this();
  for (const ExecNode& node : nodes) {
    if (!node.enabled) continue;
    const Result launched = LaunchNode(node, stream);
    if (launched != kSuccess) return launched;
  }
  return kSuccess;
}

}  // namespace

Table<GraphExec, ExecObject>& Execs() {
  static auto* const table = new Table<GraphExec, ExecObject>();
  return *table;
}

Result Instantiate(const GraphObject& graph, std::uint64_t flags,
                   std::shared_ptr<ExecObject>* exec) {
  auto made = std::make_shared<ExecObject>();
  Places ends;
  if (!Flatten(graph, {}, {}, &made->nodes, &ends)) return kInvalidValue;
  made->flags = flags;
  made->shape = CloneGraph(graph);
  made->shape->belongs_to_node = true;
  made->node_by_node = std::any_of(made->nodes.begin(), made->nodes.end(), IsHostOrEvent);
  made->handle = Execs().Add(made);
  *exec = std::move(made);
  return kSuccess;
}

void Outdate(ExecObject& exec) {
  if (exec.id != 0) {
    link::Answer answer{};
    Process::Get().connection().Request(link::Kind::kGraphForget,
                                        link::GraphForget{.graph = exec.id}, &answer);
  }
  exec.id = 0;
}

void ForgetExec(const std::shared_ptr<ExecObject>& exec) {
  Outdate(*exec);
  ForgetGraph(exec->shape);
  Execs().Remove(exec->handle);
}

namespace {

Result Launch(ExecObject& exec, StreamObject& stream) {
  if (!exec.node_by_node && (exec.id == 0 || exec.id_context != stream.context->index)) {
    Outdate(exec);
    bool taken = false;
    const Result defined = Define(exec, stream.context->index, &taken);
    if (defined != kSuccess) return defined;
    exec.node_by_node = !taken;
  }
  if (exec.node_by_node) return LaunchNodeByNode(exec, stream);
  Operation launch{.work = link::Work::kGraph, .amount = exec.id, .launch = true};
  launch.effect = [effects = exec.effects] {
    for (const Effect& effect : *effects) {
      if (const Result done = effect(); done != kSuccess) return done;
    }
    return kSuccess;
  };
  return Enqueue(stream, launch);
}

}  // namespace

Result LaunchGraph(ExecObject& exec, StreamObject& stream) {
  if (stream.capture != nullptr) return CaptureGraph(stream, *exec.shape);
  if (exec.nodes.empty()) return kSuccess;
  if (const Result taken = TakeMemory(exec, stream); taken != kSuccess) return taken;
  const auto kept = exec.shared_from_this();
  const Result launched = Launch(exec, stream);
  FreeMemory(*kept, stream);
  return launched;
}

Result UploadGraph(ExecObject& exec, StreamObject& stream) {
  std::vector<GraphAllocation*> taken;
  Result result = kSuccess;
  for (const ExecNode& node : exec.nodes) {
    GraphAllocation* const memory = node.parameters->memory.get();
    if (memory == nullptr || memory->in_use()) continue;
    result = memory->Take(stream);
    if (result != kSuccess) break;
    taken.push_back(memory);
  }
  for (GraphAllocation* const memory : taken) memory->Free(&stream);
  return result;
}

Result UpdateExec(ExecObject& exec, const GraphObject& graph, ExecUpdateInfo* info) {
  *info = {};
  std::vector<ExecNode> row;
  Places ends;
  const auto fail = [&](ExecUpdateResult why, GraphNode node) {
    info->result = why;
    info->error_node = node;
    return kGraphExecUpdateFailure;
  };
  if (!Flatten(graph, {}, {}, &row, &ends)) return fail(kExecUpdateError, nullptr);
  if (row.size() != exec.nodes.size()) return fail(kExecUpdateTopologyChanged, nullptr);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].parameters->type != exec.nodes[i].parameters->type) {
      return fail(kExecUpdateNodeTypeChanged, row[i].source);
    }
    if (row[i].before != exec.nodes[i].before) {
      return fail(kExecUpdateTopologyChanged, row[i].source);
    }
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    exec.nodes[i].parameters = row[i].parameters;
    exec.nodes[i].operation = row[i].operation;
  }
  ForgetGraph(exec.shape);
  exec.shape = CloneGraph(graph);
  exec.shape->belongs_to_node = true;
  Outdate(exec);
  return kSuccess;
}

ExecNode* FindExecNode(ExecObject& exec, GraphNode source) {
  const auto found = std::find_if(exec.nodes.begin(), exec.nodes.end(),
                                  [&](const ExecNode& node) { return node.source == source; });
  return found == exec.nodes.end() ? nullptr : &*found;
}

Result SetExecNode(ExecObject& exec, ExecNode* node, const NodeObject& made) {
  if (made.type() != node->parameters->type) return kInvalidValue;
  node->parameters = made.parameters;
  node->operation = made.operation;
  Outdate(exec);
  return kSuccess;
}

Result SetExecChild(ExecObject& exec, GraphNode node, const GraphObject& child) {
  std::vector<ExecNode*> inside;
  for (ExecNode& each : exec.nodes) {
    const auto& parents = each.parents;
    if (std::find(parents.begin(), parents.end(), node) != parents.end()) inside.push_back(&each);
  }
  std::vector<ExecNode> row;
  Places ends;
  if (!Flatten(child, {}, {}, &row, &ends) || row.size() != inside.size()) return kInvalidValue;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].parameters->type != inside[i]->parameters->type) return kInvalidValue;
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    inside[i]->parameters = row[i].parameters;
    inside[i]->operation = row[i].operation;
  }
  Outdate(exec);
  return kSuccess;
}

}  // namespace tranche::sim::cuda
