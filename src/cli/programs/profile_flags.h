// The flags by which a program follows the profile of its node. The agent and `tranche node` have
// them alike, so that whoever tells the one which config is in force tells the other the same.
//
// Threading: plain functions.
// Errors: kInvalidArgument: what they say together makes no sense.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common/flag_table.h"
#include "cli/common/flag_values.h"
#include "profile/cluster_source.h"
#include "profile/file_source.h"

namespace tranche::cli::programs {

// What to use where no profile is chosen.
std::vector<common::FlagSpec> DefaultProfileFlags();
common::FlagSpec FallbacksFlag();

// The node's label and the ConfigMap.
std::vector<common::FlagSpec> ClusterProfileFlags();

common::FlagSpec KubeconfigFlag();

// Where the profile comes from by these flags. What only one of the programs has is in `files` and
// `cluster` already.
base::Status ReadProfileFlags(const common::FlagValues& values, const std::string& node_name,
                              profile::FileSourceOptions& files,
                              profile::ClusterSourceOptions& cluster);

}  // namespace tranche::cli::programs
