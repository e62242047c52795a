// ServedSet is everything that is served to the kubelet: one ResourcePlugin per advertised
// resource, kept in step with the plan in force, the devices' health, and what pods still hold.
//
// A resource that stays keeps its stream through every change.
//
// Threading: the loop's thread.
// Errors: none of its own; States() has the error of each resource.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/serve/endpoint_names.h"
#include "agent/serve/holders.h"
#include "agent/serve/resource_plugin.h"
#include "agent/serve/resource_state.h"
#include "base/event_loop.h"
#include "config/config.h"
#include "daemon/event.h"
#include "gpu/device.h"
#include "plan/allocation.h"
#include "plan/plan.h"

namespace tranche::agent::serve {

// A configuration that was accepted for this node.
struct Applied {
  config::Config config;
  plan::Plan plan;
};

class ServedSet {
 public:
  struct Owner {
    std::function<bool(const std::string& uuid)> healthy;
    // What an answer for these devices is made from, as the node is now; an error where one of them
    // cannot be given to a container.
    std::function<base::Result<plan::NodeFacts>(const std::vector<std::string>& uuids)> facts;
    std::function<void()> changed;    // phases, counts
    std::function<void()> allocated;  // who holds what has changed
    daemon::RaiseEvent event;
  };

  ServedSet(base::EventLoop& loop, kubelet::PluginLink& link, std::string socket_directory,
            std::string kubelet_socket, EndpointNames& names, const Holders& holders, Owner owner);

  void Apply(std::shared_ptr<const Applied> applied);
  void SetTopology(gpu::Topology topology);
  // Health or holders have changed: every list that differs is sent, each in one message.
  void Refresh();
  void KubeletSocketChanged();
  void StopServing();  // ends every stream

  [[nodiscard]] const std::shared_ptr<const Applied>& applied() const { return applied_; }
  [[nodiscard]] bool AllServing() const;  // each resource has its stream now
  [[nodiscard]] bool AnyServing() const;
  [[nodiscard]] bool WaitsForHolders() const;  // an id is withheld until pods are gone
  [[nodiscard]] std::vector<ResourceState> States() const;
  // GPUs on which pods hold ids of an earlier shape.
  [[nodiscard]] std::vector<std::string> Warnings() const;

 private:
  // What preferred allocation needs, kept ready because the kubelet asks at every admission.
  struct Pool {
    std::vector<share::PoolDevice> devices;
    std::vector<std::vector<int>> pair_score;  // whole GPUs only
  };
  struct Entry {
    const plan::PlannedResource* planned = nullptr;  // into applied_
    Pool pool;
    std::unique_ptr<ResourcePlugin> plugin;
  };

  base::Result<kubelet::ContainerAnswer> Allocate(const std::string& resource,
                                                  const std::vector<std::string>& ids);
  base::Result<kubelet::ContainerAnswer> AnswerFor(const plan::PlannedResource& resource,
                                                   const std::vector<std::string>& ids);
  base::Result<std::vector<std::string>> Preferred(const std::string& resource,
                                                   const kubelet::PreferredQuery& query);
  std::unique_ptr<ResourcePlugin> NewPlugin(const std::string& resource);
  void FindOldHolders();
  void RebuildPool(Entry& entry) const;
  [[nodiscard]] bool DeviceHealthy(const std::string& uuid) const;
  [[nodiscard]] bool Withheld(const plan::PlannedResource& resource,
                              const plan::PlannedDevice& device) const;
  [[nodiscard]] std::vector<kubelet::PluginDevice> ListOf(
      const plan::PlannedResource& resource) const;

  base::EventLoop& loop_;
  kubelet::PluginLink& link_;
  const std::string socket_directory_;
  const std::string kubelet_socket_;
  EndpointNames& names_;
  const Holders& holders_;
  Owner owner_;

  std::shared_ptr<const Applied> applied_;
  gpu::Topology topology_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::set<std::string>> old_ids_;  // by device UUID: "resource id" held
  std::set<std::string> withheld_;                        // UUIDs, for WaitsForHolders
};

}  // namespace tranche::agent::serve
