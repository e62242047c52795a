// The GpuDriver that asks NVIDIA's libnvidia-ml. Calls block. WaitForEvents may run beside the
// other calls; those are one at a time.
#pragma once

#include <memory>
#include <string>

#include "gpu/driver.h"
#include "gpu/nvml_library.h"

namespace tranche::gpu {

struct NvmlOptions {
  std::string
      driver_root;       // where the driver's files are for this process; "" or "/": the loader's
  std::string sys_root;  // goes before /sys and /proc; "" in real life
};

std::unique_ptr<GpuDriver> NewNvmlDriver(NvmlOptions options);

// The same on functions that are there already, for tests.
std::unique_ptr<GpuDriver> NewNvmlDriverOn(const nvml::Table& table, NvmlOptions options);

}  // namespace tranche::gpu
