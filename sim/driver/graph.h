// GraphPlan is a CUDA graph as it is run: its nodes laid into lanes, each of which the engine does
// in order, so that what depends on nothing in common runs side by side.
//
// Threading: a plain value.
// Errors: Plan gives none for nodes that are no graph (a dependency that is not an earlier node),
// and for kinds of work that a graph cannot have here: host calls and marks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/link/protocol.h"

namespace tranche::sim::driver {

// More lanes than this are not made: nodes then share them, which only orders more.
inline constexpr unsigned kMaxLanes = 16;

struct GraphStep {
  unsigned lane = 0;
  link::Work work = link::Work::kAfter;  // kAfter: nothing but waiting
  std::uint64_t amount = 0;
  std::uint32_t name = 0;
  std::optional<unsigned> after;  // an earlier step, of another lane
};

struct GraphPlan {
  unsigned lanes = 0;
  std::vector<GraphStep> steps;
  std::vector<unsigned> ends;  // the last step of each lane
};

std::optional<GraphPlan> PlanGraph(std::span<const link::GraphNode> nodes);

}  // namespace tranche::sim::driver
