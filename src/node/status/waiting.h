// Which pods of this node wait, and for what, as far as it can be seen from the node: for a GPU's
// time, because others compute on it too; for memory, because they were refused some; for a GPU
// that is not well.
//
// A pod that is pending because no node has a share left for it is no pod of any node, and is not
// seen here: the scheduler knows of it.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "node/status/devices.h"
#include "node/status/metrics.h"

namespace tranche::node::status {

struct Waiting {
  std::string pod_namespace;
  std::string pod;
  std::string device;  // UUID
  std::string index;
  std::string what;  // "time", "memory" or "device"
  std::string why;   // a sentence
};

struct WhoWaits {
  static constexpr std::size_t kMost = 256;
  // A pod waits only where several pods computed in this percentage of the last ten seconds.
  static constexpr double kContendedPercent = 10;

  std::vector<Waiting> pods;
  std::size_t left_out = 0;  // beyond kMost
};

WhoWaits FindWaiting(const NodeState& state, const std::vector<ShownDevice>& devices);

}  // namespace tranche::node::status
