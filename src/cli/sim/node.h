// `tranche sim …` makes simulated nodes and lets things happen to them while programs run on them.
//
// Threading: one thread.
// Errors: exit codes are 0 done, 1 refused or failed (standard error says why).
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::sim {

// Adds the node's commands to `sim`; `exit_code` is set when one of them was typed.
void AddSimNodeCommands(CLI::App& sim, int& exit_code);

}  // namespace tranche::cli::sim
