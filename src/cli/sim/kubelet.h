// `tranche sim kubelet serve` serves the small kubelet; the other commands of `tranche sim kubelet`
// control one over its control socket (--control, or TRANCHE_SIM_KUBELET_CONTROL).
//
// Threading: one thread.
// Errors: exit codes are 0 done; 1 the kubelet refused, or a pod was refused; 2 no kubelet there; 3
// a pod has to wait (`pod run`), or the count did not come in time (`wait`).
#pragma once

#include <string>

#include "base/status.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::sim {

struct SimKubeletOptions {
  std::string directory;      // where plugins register: the kubelet's device-plugins folder
  std::string state;          // pods, their logs
  std::string pod_resources;  // socket; empty: not served
  std::string control;
  bool force = false;     // also where a kubelet serves the directory
  bool end_pods = false;  // at the end, instead of leaving them running
};

// Until SIGTERM or SIGINT.
base::Status ServeSimKubelet(const SimKubeletOptions& options);

// Adds the commands to `sim`; `exit_code` is set when one of them was typed.
void AddSimKubeletCommands(CLI::App& sim, int& exit_code);

}  // namespace tranche::cli::sim
