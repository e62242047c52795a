// InventoryMemory remembers the GPUs that were there a moment ago, and what could be read of them.
//
// A GPU that falls off the bus is often no longer listed at all; to drop its ids at once would look
// like a smaller node instead of a broken one. And where only a call about a device fails, the
// device is still there as it was.
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
    Inventory listed;     // what is there; of what cannot be read, what was read before
    Inventory inventory;  // the same, and what is missing since a short while
    std::vector<std::string> missing;  // UUIDs of the latter
    // Devices in `listed` about which a call has failed: UUID, and the driver's error.
    std::map<std::string, std::string> unanswered;
  };
  Merged Merge(Inventory seen, Time now);

 private:
  struct Remembered {
    Gpu gpu;
    Time last_seen;
  };
  void Complete(Inventory& seen) const;
  void KeepUnanswered(Merged& merged) const;
  [[nodiscard]] const Gpu* Find(const BrokenGpu& broken) const;

  std::map<std::string, Remembered> known_;
  std::string driver_version_;
  int cuda_major_ = 0;
  int cuda_minor_ = 0;
};

}  // namespace tranche::gpu
