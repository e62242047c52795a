// Plain tables of GPUs and of the pods that use them: `tranche top --once`, `kubectl tranche top`
// and `kubectl tranche pods`.
//
// Threading: plain functions, safe on any thread.
// Errors: none. What is not known is "-".
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/common/table.h"
#include "cli/top/use.h"

namespace tranche::cli::top {

struct TableView {
  bool nodes = false;  // with a column of the node's name
  bool wide = false;
  common::Color color = common::Color::kOff;
  double now = 0;  // seconds of the wall clock
};

// A pod on a device; points into the nodes that it was made of.
struct PodRow {
  const NodeUse* node = nullptr;
  const DeviceUse* device = nullptr;
  const PodUse* pod = nullptr;
};

// Of each node's devices, in their order.
std::vector<PodRow> PodRows(std::span<const NodeUse> nodes);
// All of them together.
void SortRows(std::vector<PodRow>& rows, Sort sort);

// "yes", "no" and why, or "-".
common::Cell WallCell(const PodUse& pod);

// Each with a heading; "" where there is nothing to show.
std::string DevicesTable(std::span<const NodeUse> nodes, const TableView& view);
std::string PodsTable(const std::vector<PodRow>& rows, const TableView& view);

}  // namespace tranche::cli::top
