// `kubectl tranche …` (the program kubectl-tranche) and its completion (kubectl_complete-tranche).
//
// Threading: one thread.
// Errors: exit codes are 0 well or in force, 1 degraded, 2 a wrong command line or no answer from
// the cluster.
#pragma once

#include <string>
#include <vector>

namespace tranche::cli::kubectl {

// `arguments`: after the program's name.
int RunKubectl(const std::vector<std::string>& arguments);
int RunKubectlComplete(const std::vector<std::string>& arguments);

}  // namespace tranche::cli::kubectl
