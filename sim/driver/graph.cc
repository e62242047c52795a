#include "sim/driver/graph.h"

#include <algorithm>
#include <iterator>

namespace tranche::sim::driver {
namespace {

using link::Work;

constexpr unsigned kNone = ~0U;

bool Fits(const link::GraphNode& node, std::size_t index) {
  switch (node.work) {
    case Work::kKernel:
    case Work::kCopyToDevice:
    case Work::kCopyToHost:
    case Work::kCopyOnDevice:
    case Work::kFill:
    case Work::kAfter:
      break;
    default:
      return false;
  }
  return node.dependency_count <= std::size(node.dependencies) &&
         std::all_of(node.dependencies, node.dependencies + node.dependency_count,
                     [&](std::uint32_t dependency) { return dependency < index; });
}

class Planner {
 public:
  void Add(const link::GraphNode& node) {
    const unsigned lane = LaneFor(node);
    std::optional<unsigned> after;
    for (unsigned i = 0; i < node.dependency_count; ++i) {
      const unsigned step = step_of_[node.dependencies[i]];
      if (plan_.steps[step].lane == lane) continue;  // before it anyway
      if (after) Append({.lane = lane, .after = after});
      after = step;
    }
    Append({.lane = lane,
            .work = node.work,
            .amount = node.amount,
            .name = node.name,
            .after = after});
    step_of_.push_back(plan_.ends[lane]);
  }

  GraphPlan Take() { return std::move(plan_); }

 private:
  // Behind the first dependency that nothing is behind yet, else a lane of its own.
  unsigned LaneFor(const link::GraphNode& node) {
    for (unsigned i = 0; i < node.dependency_count; ++i) {
      const unsigned step = step_of_[node.dependencies[i]];
      if (plan_.ends[plan_.steps[step].lane] == step) return plan_.steps[step].lane;
    }
    if (plan_.lanes == kMaxLanes) return next_++ % kMaxLanes;
    plan_.ends.push_back(kNone);
    return plan_.lanes++;
  }

  void Append(const GraphStep& step) {
    plan_.ends[step.lane] = static_cast<unsigned>(plan_.steps.size());
    plan_.steps.push_back(step);
  }

  GraphPlan plan_;
  std::vector<unsigned> step_of_;  // node: its step
  unsigned next_ = 0;
};

}  // namespace

std::optional<GraphPlan> PlanGraph(std::span<const link::GraphNode> nodes) {
  Planner planner;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!Fits(nodes[i], i)) return std::nullopt;
    planner.Add(nodes[i]);
  }
  return planner.Take();
}

}  // namespace tranche::sim::driver
