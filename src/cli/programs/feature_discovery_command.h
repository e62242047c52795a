// `gpu-feature-discovery`: flags and environment in, labels out until a signal ends it.
//
// Exit codes: 0 ended as told (or oneshot and done), 1 flags or a config that make no sense, a
// driver that is required and absent at the start, or oneshot and not done.
#pragma once

#include <string>
#include <vector>

namespace tranche::cli::programs {

// `arguments`: after the program's name.
int RunFeatureDiscovery(const std::vector<std::string>& arguments);

}  // namespace tranche::cli::programs
