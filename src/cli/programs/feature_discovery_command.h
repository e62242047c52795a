// `gpu-feature-discovery`: reads flags and environment, and labels the node until a signal ends it.
//
// Threading: the main thread, which becomes the loop's.
// Errors: exit code 1 where flags or a config make no sense, where a driver that is required is
// absent at the start, and where --oneshot could not be done; else 0.
#pragma once

#include <string>
#include <vector>

namespace tranche::cli::programs {

// `arguments`: after the program's name.
int RunFeatureDiscovery(const std::vector<std::string>& arguments);

}  // namespace tranche::cli::programs
