// How `kubectl tranche top` and `kubectl tranche pods` are called.
//
// Threading: one thread.
// Errors: CLI11's, for what makes no sense.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "cli/kubectl/use.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::kubectl {

// What the command shows.
struct UseForms {
  std::string (*table)(const ClusterUse&, const UseOptions&, const UseView&);
  base::Json (*document)(const ClusterUse&, const UseOptions&);
};

// Adds both subcommands. `output` gets what --output says, and `run` is called for the one typed.
void AddUseCommands(CLI::App& app, std::string& output,
                    const std::function<void(const UseOptions&, const UseForms&)>& run);

}  // namespace tranche::cli::kubectl
