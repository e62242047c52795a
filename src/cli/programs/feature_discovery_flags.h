// The flags of gpu-feature-discovery: upstream's, and ours by environment only.
//
// Threading: plain values; any thread.
// Errors: none.
#pragma once

#include <vector>

#include "config/flag_table.h"

namespace tranche::cli::programs {

std::vector<config::FlagGroup> FeatureDiscoveryFlags();

}  // namespace tranche::cli::programs
