// The flags of `tranche agent` that are ours, beside upstream's.
//
// Threading: plain values; any thread.
// Errors: none.
#pragma once

#include <vector>

#include "cli/common/flag_table.h"

namespace tranche::cli::programs {

enum class AgentName {
  kTrancheAgent,        // upstream's flags and ours
  kNvidiaDevicePlugin,  // upstream's flags only; ours through the environment
};

// All that the program reads under that name, by subject, upstream's first.
std::vector<common::FlagGroup> AgentFlags(AgentName name);

}  // namespace tranche::cli::programs
