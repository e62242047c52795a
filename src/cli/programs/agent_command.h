// `tranche agent`, and `nvidia-device-plugin` under its own name: flags and environment in, the
// agent run until a signal ends it.
//
// Exit codes: 0 ended as told, 1 flags that make no sense or a driver that is required and absent.
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
