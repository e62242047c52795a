// `config-manager`: reads the flags and environment of NVIDIA's program of that name, and runs
// configmanager/manager until it is done (--oneshot) or told to end.
//
// Threading: the main thread, which becomes the loop's.
// Errors: exit code 1 where flags make no sense, where there is no way to reach an API server or,
// with --oneshot, no config to link to; else 0.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common/flag_table.h"
#include "cli/common/flag_values.h"
#include "configmanager/manager.h"

namespace tranche::cli::programs {

std::vector<common::FlagGroup> ConfigManagerFlags();

// After precedence. An empty KUBECONFIG, SIGNAL or PROCESS_TO_SIGNAL counts as none: the GPU
// operator sets them so. Errors are upstream's texts.
struct ConfigManagerSetup {
  configmanager::ConfigManagerOptions options;
  std::string kubeconfig;
};
base::Result<ConfigManagerSetup> ToConfigManagerSetup(const cli::common::FlagValues& values);

// `arguments`: after the program's name.
int RunConfigManager(const std::vector<std::string>& arguments);

}  // namespace tranche::cli::programs
