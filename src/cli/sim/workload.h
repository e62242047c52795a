// `tranche sim workload …` runs a program that uses a GPU on a simulated node: the program of
// sim/workloads, with the node's driver library before all others.
//
// Threading: one thread.
// Errors: exit codes are the program's; 1 where there is no such node or program.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::sim {

void AddSimWorkloadCommand(CLI::App& sim, int& exit_code);

}  // namespace tranche::cli::sim
