// InventoryMemory remembers the GPUs that were there a moment ago. A GPU that falls off the bus is
// often no longer listed at all; to drop its ids at once would look like a smaller node instead of
// a broken one.
//
// Threading: a plain object without a clock; one thread at a time.
// Errors: none.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "gpu/device.h"

namespace tranche::gpu {

// How long a GPU that is no longer listed stays advertised, unhealthy: the time the kubelet itself
// keeps the devices of a plugin that has gone (its endpointStopGracePeriod, 5 minutes).
inline constexpr auto kMissingGrace = std::chrono::minutes(5);

class InventoryMemory {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Merged {
    gpu::Inventory inventory;          // what is there, and what was
    std::vector<std::string> missing;  // UUIDs of the latter
  };
  Merged Merge(const gpu::Inventory& seen, Time now);

 private:
  struct Remembered {
    gpu::Gpu gpu;
    Time last_seen;
  };
  std::map<std::string, Remembered> known_;
};

}  // namespace tranche::gpu
