#include "node/identity/held.h"

#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

namespace tranche::node::identity {
namespace {

// Only of resources of this vendor an id that is a mere number means a GPU.
constexpr std::string_view kVendor = "nvidia.com/";

constexpr std::string_view kReplica = "::";

// Finds the device that an id of a resource means.
class DeviceIds {
 public:
  explicit DeviceIds(const gpu::Inventory& inventory) {
    for (const gpu::Gpu& gpu : inventory.gpus) {
      const std::string index = std::to_string(gpu.index);
      by_uuid_.insert(gpu.uuid);
      by_index_[index] = gpu.uuid;
      for (const gpu::MigDevice& mig : gpu.mig_devices) {
        by_uuid_.insert(mig.uuid);
        by_index_[index + ":" + std::to_string(mig.index)] = mig.uuid;
      }
    }
  }
  // nullptr where it is none of this node's.
  [[nodiscard]] const std::string* Find(const std::string& resource, const std::string& id) const {
    const std::string_view name = std::string_view(id).substr(0, id.find(kReplica));
    if (const auto device = by_uuid_.find(name); device != by_uuid_.end()) return &*device;
    if (!resource.starts_with(kVendor)) return nullptr;
    const auto device = by_index_.find(name);
    return device == by_index_.end() ? nullptr : &device->second;
  }

 private:
  std::set<std::string, std::less<>> by_uuid_;
  std::map<std::string, std::string, std::less<>> by_index_;
};

}  // namespace

std::vector<Held> HeldDevices(const std::vector<kubelet::Holding>& holdings,
                              const gpu::Inventory& inventory) {
  const DeviceIds devices(inventory);
  std::map<std::tuple<std::string, std::string, std::string, std::string>, int> counts;
  // An id counts once, also where several containers of a pod name it.
  std::map<std::tuple<std::string, std::string, std::string>, std::set<std::string>> of_pods;
  for (const kubelet::Holding& holding : holdings) {
    for (const std::string& id : holding.ids) {
      const std::string* device = devices.Find(holding.resource, id);
      if (device == nullptr) continue;
      ++counts[{holding.pod_namespace, holding.pod, holding.container, *device}];
      of_pods[{holding.pod_namespace, holding.pod, *device}].insert(id);
    }
  }
  std::vector<Held> held;
  for (const auto& [key, replicas] : counts) {
    const auto& [name_space, pod, container, device] = key;
    held.push_back({.pod_namespace = name_space,
                    .pod = pod,
                    .container = container,
                    .device = device,
                    .replicas = replicas,
                    .of_pod = static_cast<int>(of_pods[{name_space, pod, device}].size()),
                    .pod_uid = ""});
  }
  return held;
}

std::map<std::string, Shares> SharesOf(const std::vector<kubelet::Offer>& offers,
                                       const std::vector<kubelet::Holding>& holdings,
                                       const gpu::Inventory& inventory) {
  const DeviceIds devices(inventory);
  // An id is there once, however often it is named: a container may go on with what an init
  // container had.
  struct Ids {
    std::set<std::string> offered;
    std::set<std::string> held;
  };
  std::map<std::string, std::map<std::string, Ids>> found;  // by device and resource
  std::map<std::string, Shares> shares;
  const auto take = [&](const auto& all, std::set<std::string> Ids::*which) {
    for (const auto& one : all) {
      for (const std::string& id : one.ids) {
        const std::string* device = devices.Find(one.resource, id);
        if (device == nullptr) continue;
        (found[*device][one.resource].*which).insert(id);
        if (id.find(kReplica) != std::string::npos) shares[*device].shared = true;
      }
    }
  };
  take(offers, &Ids::offered);
  take(holdings, &Ids::held);
  for (const auto& [device, resources] : found) {
    Shares& sum = shares[device];
    std::size_t most = 0;
    for (const auto& [resource, ids] : resources) {
      sum.advertised += static_cast<int>(ids.offered.size());
      sum.held += static_cast<int>(ids.held.size());
      for (const std::string& id : ids.offered) sum.free += ids.held.contains(id) ? 0 : 1;
      if (const std::size_t size = ids.offered.size() + ids.held.size(); size > most) {
        most = size;
        sum.resource = resource;
      }
    }
  }
  return shares;
}

}  // namespace tranche::node::identity
