// NvmlDriver is the GpuDriver that calls NVIDIA's libnvidia-ml.
//
// Threading: calls block. WaitForEvents may run beside the other calls; of those only one runs at a
// time.
// Errors: as gpu/driver.h says.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "gpu/driver.h"
#include "gpu/driver_thread.h"
#include "gpu/nvml/library.h"

namespace tranche::gpu::nvml {

struct NvmlOptions {
  std::string
      driver_root;       // where the driver's files are for this process; "" or "/": the loader's
  std::string sys_root;  // prefix for /sys and /proc (simulated nodes); else ""
};

std::unique_ptr<GpuDriver> NewNvmlDriver(NvmlOptions options);

// For GpuWatch::Options: threads of their own ask the library below a driver root.
std::function<std::unique_ptr<DriverThread>(base::EventLoop&, const std::string& driver_root,
                                            DriverThread::Owner)>
NvmlDriverStarter(std::string sys_root);

// The same on functions that are there already, for tests.
std::unique_ptr<GpuDriver> NewNvmlDriverOn(const Table& table, NvmlOptions options);

}  // namespace tranche::gpu::nvml
