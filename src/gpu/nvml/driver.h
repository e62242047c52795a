// The GpuDriver that asks NVIDIA's libnvidia-ml. Calls block. WaitForEvents may run beside the
// other calls; those are one at a time.
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
  std::string sys_root;  // goes before /sys and /proc; "" in real life
};

std::unique_ptr<GpuDriver> NewNvmlDriver(NvmlOptions options);

// For GpuWatch::Options: threads of their own ask the library below a driver root.
std::function<std::unique_ptr<DriverThread>(base::EventLoop&, const std::string& driver_root,
                                            DriverThread::Listener)>
NvmlDriverStarter(std::string sys_root);

// The same on functions that are there already, for tests.
std::unique_ptr<GpuDriver> NewNvmlDriverOn(const Table& table, NvmlOptions options);

}  // namespace tranche::gpu::nvml
