// Reads how the GPUs are connected, and scores each pair as upstream does.
//
// Threading: calls block; one thread at a time.
// Errors: none; a pair about which NVML does not answer scores 0.
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
