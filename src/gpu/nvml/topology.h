// How GPUs are connected, as upstream scores it. A pair that cannot be asked about scores 0.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gpu/device.h"
#include "gpu/nvml/library.h"

namespace tranche::gpu::nvml {

struct ConnectedGpu {
  std::string uuid;
  std::string pci_bus_id;
  Device device = nullptr;
};

Topology ReadNvmlTopology(const Table& table, const std::vector<ConnectedGpu>& gpus);

}  // namespace tranche::gpu::nvml
