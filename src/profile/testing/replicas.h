// A config of so many replicas, for the tests of this room.
//
// Threading: any.
#pragma once

#include <string>

namespace tranche::profile::testing {

inline std::string Replicas(int replicas) {
  return "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: nvidia.com/gpu\n"
         "      replicas: " +
         std::to_string(replicas) + "\n";
}

}  // namespace tranche::profile::testing
