// `tranche sim driver` is the process behind the driver libraries of a simulated node; `tranche sim
// driver-status` and `tranche sim trace` show who used what of its GPUs.
//
// Threading: one thread.
// Errors: exit codes are 0 done; 1 refused, or failed (standard error says why); 2 no driver has
// served the node.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::sim {

// Adds the commands to `sim`; `exit_code` is set when one of them was typed.
void AddSimDriverCommands(CLI::App& sim, int& exit_code);

}  // namespace tranche::cli::sim
