// The kubelet's record of who was given which devices, as a file: the layout of the real one
// (pkg/kubelet/cm/devicemanager/checkpoint, "kubelet_internal_checkpoint"), but for the checksum,
// which is FNV-1a over our own JSON text instead of over Go's dump of the structure.
//
// Plain functions, safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"

namespace tranche::sim {

// Ids by NUMA node; -1 holds those without one.
using DevicesByNuma = std::map<std::int64_t, std::vector<std::string>>;

struct CheckpointEntry {
  std::string pod_uid;
  std::string container;
  std::string resource;
  DevicesByNuma ids;
  std::string answer;  // serialized ContainerAllocateResponse

  friend bool operator==(const CheckpointEntry&, const CheckpointEntry&) = default;
};

struct Checkpoint {
  std::vector<CheckpointEntry> entries;
  std::map<std::string, std::vector<std::string>> registered;  // resource -> healthy ids

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

base::Status SaveCheckpoint(const std::string& path, const Checkpoint& checkpoint);
// kNotFound: none. kDataLoss: not one, or its checksum does not match.
base::Result<Checkpoint> LoadCheckpoint(const std::string& path);

}  // namespace tranche::sim
