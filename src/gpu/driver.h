// GpuDriver is the interface to the GPU driver. NvmlDriver (gpu/nvml/driver.h) calls libnvidia-ml;
// testing::FakeDriver is a table.
//
// Threading: calls block, and may hang when the driver is broken. So only DriverThread
// (gpu/driver_thread.h) makes them, and reports a call that does not come back.
// Errors: a Status per call. Every call may be made again after a failure.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/status.h"
#include "gpu/device.h"
#include "gpu/usage.h"

namespace tranche::gpu {

class GpuDriver {
 public:
  virtual ~GpuDriver() = default;

  // Loads and initialises the driver library. kNotFound: no library (a node without a driver);
  // kUnavailable: library there, driver not (yet); kDataLoss: the driver is not loaded, so that its
  // GPUs have lost what they held. Initialised: no effect.
  virtual base::Status Initialise() = 0;
  // Forgets the driver, so that the next Initialise starts again (device lost, driver replaced).
  virtual void Shutdown() = 0;

  virtual base::Result<Inventory> Enumerate() = 0;
  virtual base::Result<Topology> ReadTopology(const Inventory& inventory) = 0;

  // Starts listening for XID events on these GPUs. The returned pairs (uuid, why) could not be
  // registered; kUnimplemented says the driver is too old for events on that one.
  struct Unwatched {
    std::string uuid;
    base::Status why;
  };
  virtual base::Result<std::vector<Unwatched>> WatchHealth(
      const std::vector<std::string>& uuids) = 0;
  // Waits up to `timeout`; none within it is an empty list.
  virtual base::Result<std::vector<HealthEvent>> WaitForEvents(
      std::chrono::milliseconds timeout) = 0;

  // A cheap question to one GPU: OK while it answers. kDataLoss: lost (fallen off the bus).
  virtual base::Status Probe(const std::string& uuid) = 0;

  // What uses this GPU right now. Fails only where the GPU cannot be asked at all.
  virtual base::Result<DeviceUsage> ReadUsage(const UsageQuery& query) = 0;
};

}  // namespace tranche::gpu
