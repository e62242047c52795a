#include "sim/node/home.h"

#include <climits>
#include <cstdlib>
#include <vector>

#include "base/file.h"

namespace tranche::sim {

base::Result<SimHome> FindSimHome() {
  std::vector<std::string> places;
  if (const char* home = std::getenv("TRANCHE_SIM_HOME"); home != nullptr && *home != '\0') {
    places.emplace_back(home);
  } else {
    char resolved[PATH_MAX];
    if (realpath("/proc/self/exe", resolved) != nullptr) {
      const std::string directory = base::ParentDirectory(resolved);
      places.push_back(directory + "/sim");
      places.push_back(directory + "/../lib/tranche/sim");
    }
  }
  std::string looked_at;
  for (const std::string& place : places) {
    if (base::Exists(place + "/profiles/models.yaml")) return SimHome{place};
    looked_at += " " + place;
  }
  return base::Status(base::Code::kNotFound, "the parts of the simulated node are not in" +
                                                 looked_at +
                                                 " (TRANCHE_SIM_HOME names another place)");
}

}  // namespace tranche::sim
