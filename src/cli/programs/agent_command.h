// `tranche agent`, and `nvidia-device-plugin` under its own name: reads flags and environment, and
// runs the agent until a signal ends it.
//
// Threading: the main thread, which becomes the loop's.
// Errors: exit code 1 where flags make no sense, or a driver that is required is absent; else 0.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/programs/agent_flags.h"

namespace tranche::cli::programs {

// `arguments`: after the program's (and subcommand's) name.
int RunAgent(AgentName name, const std::vector<std::string>& arguments);

// Every flag of `tranche agent`, with dashes, for completion.
std::vector<std::string> AgentFlagNames();

}  // namespace tranche::cli::programs
