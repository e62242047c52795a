// `tranche node`: reads its flags and environment, and runs node/node until it is told to end.
//
// Threading: the main thread, which becomes the loop's.
// Errors: exit code 1 where flags make no sense; else 0.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common/flag_table.h"
#include "cli/common/flag_values.h"
#include "node/node.h"

namespace tranche::cli::programs {

std::vector<common::FlagGroup> NodeFlags();

// After precedence. What reaches the node (driver, API server) is filled in.
base::Result<tranche::node::NodeOptions> ToNodeOptions(const common::FlagValues& values);

// `arguments`: after the program's name.
int RunNode(const std::vector<std::string>& arguments);

}  // namespace tranche::cli::programs
