// The flags of gpu-feature-discovery: upstream's, and ours by environment only.
//
// Threading: plain values; any thread.
// Errors: none.
#pragma once

#include <vector>

#include "cli/common/flag_table.h"

namespace tranche::cli::programs {

std::vector<common::FlagGroup> FeatureDiscoveryFlags();

}  // namespace tranche::cli::programs
