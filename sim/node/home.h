// Where the parts of a simulated node are kept on this machine: the libraries that stand for the
// driver's and the node profiles, as built or installed.
//
// TRANCHE_SIM_HOME where set, else "sim" beside the running program, else ../lib/tranche/sim from
// it.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::sim {

struct SimHome {
  std::string path;
  [[nodiscard]] std::string profiles() const { return path + "/profiles"; }
};

// kNotFound names the places looked at.
base::Result<SimHome> FindSimHome();

}  // namespace tranche::sim
