// Finds where the parts of a simulated node are kept on this machine: the libraries that stand for
// the driver's, and the node profiles, as built or installed.
//
// It is TRANCHE_SIM_HOME where that is set, else "sim" beside the running program, else
// ../lib/tranche/sim from it.
//
// Threading: a plain function, safe on any thread.
// Errors: kNotFound names the places that were tried.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::sim {

struct SimHome {
  std::string path;
  [[nodiscard]] std::string profiles() const { return path + "/profiles"; }
};

// kNotFound names the places that were tried.
base::Result<SimHome> FindSimHome();

}  // namespace tranche::sim
