// A Config and the devices of this node make a Plan: which resources, devices and rules are served.
//
// Threading: plain functions, safe on any thread.
// Errors: what this node cannot serve (a MIG layout that the strategy does not allow, a message too
// long for the kubelet). What is worth saying and is no error is a warning with its line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/config.h"
#include "gpu/device.h"
#include "share/advertise.h"
#include "share/placement.h"

namespace tranche::plan {

// One advertised device and what a container needs to use it.
struct PlannedDevice {
  std::string uuid;
  std::string index;               // "0", "0:1"
  std::string parent;              // UUID of the GPU of a MIG device, else ""
  std::vector<std::string> paths;  // device nodes, "/dev/nvidia0"
  std::string profile;             // of a MIG device, "1g.10gb"; "" of a whole GPU
  std::string resource;            // the name it is advertised under
  int replicas = 1;                // 1: not shared
};

struct PlannedResource {
  share::AdvertisedResource advertised;
  share::Policy policy = share::Policy::kDistributed;
  bool align_whole_gpus = false;  // whole GPUs, not MIG: preferred by connection
  bool drain_before_exclusive = false;
};

struct PlanWarning {
  std::string message;
  int line = 0;  // in the config, 0 unknown
};

struct Plan {
  std::vector<PlannedResource> resources;        // by name
  std::map<std::string, PlannedDevice> devices;  // by UUID
  std::vector<PlanWarning> warnings;
};

// Whether `id` is one of the ids of `resource` in `plan`.
[[nodiscard]] bool Knows(const Plan& plan, const std::string& resource, const std::string& id);

base::Result<Plan> BuildPlan(const config::Config& config, const gpu::Inventory& inventory);

}  // namespace tranche::plan
