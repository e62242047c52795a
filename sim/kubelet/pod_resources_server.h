// The kubelet's pod-resources socket, v1: List, Get, GetAllocatableResources
// (pkg/kubelet/apis/podresources), with the kubelet's rate limit. Runs on the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "sim/kubelet/device_manager.h"

namespace tranche::sim {

struct PodDevices {
  std::string pod_namespace;
  std::string pod;
  std::string container;
  std::vector<AllocatedDevice> devices;
};

class PodResourcesServer {
 public:
  struct Source {
    std::function<std::vector<PodDevices>()> pods;  // those that have not ended
    std::function<std::vector<AllocatedDevice>()> allocatable;
  };
  static base::Result<std::unique_ptr<PodResourcesServer>> Start(base::EventLoop& loop,
                                                                 const std::string& socket_path,
                                                                 Source source);
  virtual ~PodResourcesServer() = default;
};

}  // namespace tranche::sim
