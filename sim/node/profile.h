// Reads node profiles: YAML files that say what a simulated node is made of.
//
// A profile names its GPUs by model (model.h). The shipped profiles are in sim/profiles; their keys
// are shown there.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status with file and line.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "sim/node/state.h"

namespace tranche::sim {

struct NodeProfile {
  std::string name;            // "a100x2"
  std::string driver_version;  // "570.172.08"
  unsigned cuda_version = 0;   // 12080
  bool driver_loaded = true;   // false: nvmlInit says the driver is not loaded
  bool only_device_nodes = false;
  std::string machine;         // DMI product name
  std::vector<GpuState> gpus;  // slots 0, 1, …
};

// `name` is a shipped profile's ("a100x2") or the path of another file (has a "/" or ends in
// ".yaml"). `directory` holds models.yaml and the shipped profiles.
base::Result<NodeProfile> LoadProfile(const std::string& directory, const std::string& name);

base::Result<std::vector<std::string>> ShippedProfiles(const std::string& directory);

// Sets place and identity of a GPU: "0000:07:00.0", "GPU-…"; serial and module id follow.
base::Status PlaceGpu(const std::string& bus_id, const std::string& uuid, GpuState* gpu);

// "0000:07:00.0", as under /sys/bus/pci/devices.
std::string SysBusId(const GpuState& gpu);

}  // namespace tranche::sim
