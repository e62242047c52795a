// The kubelet's side of the agent: what is served, which pods hold what, and the kubelet's socket.
//
// Threading: the loop's thread.
// Errors: a kubelet that is away is waited for; each resource's state says what it waits for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/serve/endpoint_names.h"
#include "agent/serve/holders.h"
#include "agent/serve/served_set.h"
#include "base/directory_watch.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/status.h"
#include "config/config.h"
#include "daemon/event.h"
#include "gpu/device.h"
#include "kubelet/device_plugin.h"

namespace tranche::agent::serve {

class Serving {
 public:
  struct Options {
    std::string socket_directory;      // of the plugins' sockets
    std::string state_directory;       // of our own files
    std::string kubelet_socket;        // "": do not register
    std::string pod_resources_socket;  // "": what pods hold is never known
  };
  struct Owner {
    std::function<bool(const std::string& uuid)> healthy;
    // As ServedSet::Owner says.
    std::function<base::Result<plan::NodeFacts>(const std::vector<std::string>& uuids)> facts;
    std::function<void()> kubelet_restarted;
    std::function<void()> changed;
    daemon::RaiseEvent event;
  };

  Serving(base::EventLoop& loop, std::unique_ptr<kubelet::PluginLink> link, Options options,
          Owner owner);

  // Begins to watch the kubelet's socket.
  void Start();
  // kFailedPrecondition: the config asks for something that needs to know what pods hold, and that
  // cannot be known here.
  [[nodiscard]] base::Status Check(const config::Config& config) const;
  void Apply(std::shared_ptr<const Applied> applied);
  void SetTopology(gpu::Topology topology) { served_.SetTopology(std::move(topology)); }
  void HealthChanged() { served_.Refresh(); }
  void Stop() { served_.StopServing(); }

  [[nodiscard]] const ServedSet& served() const { return served_; }
  [[nodiscard]] const Holders& holders() const { return holders_; }

 private:
  void KubeletDirectoryChanged();
  void HoldersChanged();

  base::EventLoop& loop_;
  const Options options_;
  std::unique_ptr<kubelet::PluginLink> link_;
  EndpointNames names_;
  Holders holders_;
  ServedSet served_;
  std::function<void()> kubelet_restarted_;
  base::FileIdentity kubelet_identity_;
  std::unique_ptr<base::DirectoryWatch> kubelet_watch_;
};

}  // namespace tranche::agent::serve
