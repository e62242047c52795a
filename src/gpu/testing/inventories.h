// Nodes for tests, as short as they can be said. Plain functions, for any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gpu/device.h"
#include "gpu/testing/fake_driver.h"

namespace tranche::gpu::testing {

inline Inventory Gpus(unsigned count) { return FakeDriver::Gpus(count); }

// The same with UUIDs as a config must write them, 40 bytes: "GPU-00000000-…-00000000000<i>".
inline std::string LongUuid(unsigned index) {
  return "GPU-00000000-0000-0000-0000-00000000000" + std::to_string(index % 10);
}
inline Inventory LongNamedGpus(unsigned count) {
  Inventory inventory = Gpus(count);
  for (Gpu& gpu : inventory.gpus) gpu.uuid = LongUuid(gpu.index);
  return inventory;
}

// The same where a call about GPU `index` fails, so that it is left out.
inline Inventory Failing(Inventory inventory, unsigned index, bool call_failed = true) {
  const auto gpu = std::ranges::find(inventory.gpus, index, &Gpu::index);
  inventory.broken.push_back({.index = index,
                              .mig = std::nullopt,
                              .uuid = gpu->uuid,
                              .error = "nvmlDeviceGetHandleByIndex: unknown error (999)",
                              .call_failed = call_failed});
  inventory.gpus.erase(gpu);
  return inventory;
}

// Cuts GPU `index` into MIG devices "MIG-<index>-<j>" of these profiles; "" of none.
inline void Cut(Inventory& inventory, unsigned index, const std::vector<std::string>& profiles) {
  Gpu& gpu = inventory.gpus.at(index);
  gpu.mig_capable = true;
  gpu.mig_enabled = true;
  gpu.mig_devices.clear();
  for (const std::string& profile : profiles) {
    const int j = static_cast<int>(gpu.mig_devices.size());
    MigDevice mig;
    mig.uuid = "MIG-" + std::to_string(index) + "-" + std::to_string(j);
    mig.index = j;
    mig.gpu_instance = static_cast<unsigned>(j) + 1;
    mig.profile = profile;
    const bool part = profile.find("c.") != std::string::npos;
    mig.compute_slices = static_cast<unsigned>(profile[0] - '0');
    mig.gpu_slices = part ? static_cast<unsigned>(profile[3] - '0') : mig.compute_slices;
    mig.memory_bytes = std::uint64_t{mig.gpu_slices} * (10ULL << 30U);
    const std::string minor = std::to_string(index);
    mig.device_paths = {"/dev/nvidia" + minor,
                        "/dev/nvidia-caps/nvidia-cap" + minor + std::to_string(j) + "1",
                        "/dev/nvidia-caps/nvidia-cap" + minor + std::to_string(j) + "2"};
    gpu.mig_devices.push_back(std::move(mig));
  }
}

}  // namespace tranche::gpu::testing
