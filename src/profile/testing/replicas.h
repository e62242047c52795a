// A config of so many replicas, for the tests of this room.
//
// Threading: any.
#pragma once

#include <string>

#include "config/testing/configs.h"

namespace tranche::profile::testing {

inline std::string Replicas(int replicas) {
  return "version: v1\n" + config::testing::Shared(replicas);
}

}  // namespace tranche::profile::testing
