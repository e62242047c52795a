// Describes a simulated node as text or JSON, for `tranche sim node show`.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <string>

#include "base/json.h"
#include "cli/common/table.h"
#include "sim/node/node.h"

namespace tranche::cli::sim {

base::Json SimNodeJson(const tranche::sim::NodeSnapshot& node);
std::string SimNodeText(const tranche::sim::NodeSnapshot& node, cli::common::Color color);

}  // namespace tranche::cli::sim
