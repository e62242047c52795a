#include "node/identity/held.h"

#include <functional>
#include <map>
#include <string_view>
#include <tuple>

namespace tranche::node::identity {
namespace {

// Only of resources of this vendor an id that is a mere number means a GPU.
constexpr std::string_view kVendor = "nvidia.com/";

}  // namespace

std::vector<Held> HeldDevices(const std::vector<kubelet::Holding>& holdings,
                              const gpu::Inventory& inventory) {
  std::map<std::string, std::string, std::less<>> by_uuid;
  std::map<std::string, std::string, std::less<>> by_index;
  for (const gpu::Gpu& gpu : inventory.gpus) {
    by_uuid[gpu.uuid] = gpu.uuid;
    by_index[std::to_string(gpu.index)] = gpu.uuid;
    for (const gpu::MigDevice& mig : gpu.mig_devices) {
      by_uuid[mig.uuid] = mig.uuid;
      by_index[std::to_string(gpu.index) + ":" + std::to_string(mig.index)] = mig.uuid;
    }
  }
  std::map<std::tuple<std::string, std::string, std::string, std::string>, int> counts;
  for (const kubelet::Holding& holding : holdings) {
    for (const std::string& id : holding.ids) {
      const std::string_view name = std::string_view(id).substr(0, id.find("::"));
      auto device = by_uuid.find(name);
      if (device == by_uuid.end()) {
        if (!holding.resource.starts_with(kVendor)) continue;
        device = by_index.find(name);
        if (device == by_index.end()) continue;
      }
      ++counts[{holding.pod_namespace, holding.pod, holding.container, device->second}];
    }
  }
  std::vector<Held> held;
  for (const auto& [key, replicas] : counts) {
    const auto& [name_space, pod, container, device] = key;
    held.push_back({.pod_namespace = name_space,
                    .pod = pod,
                    .container = container,
                    .device = device,
                    .replicas = replicas});
  }
  return held;
}

}  // namespace tranche::node::identity
