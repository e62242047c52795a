// The flags of `tranche agent` that are ours, beside upstream's. Plain values; any thread.
#pragma once

#include <vector>

#include "config/flag_table.h"

namespace tranche::cli::programs {

// By subject, as --help shows them.
std::vector<config::FlagGroup> AgentFlags();

}  // namespace tranche::cli::programs
