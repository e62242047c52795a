// The kubelet's device manager: what is advertised, what is given to whom, and what the node counts
// (pkg/kubelet/cm/devicemanager, manager.go and pod_devices.go of Kubernetes 1.37).
//
// Everything on the loop. Asynchronous where the real one calls a plugin; the caller admits one pod
// at a time, as the kubelet does. Errors carry the kubelet's own words. Left out: NUMA alignment
// (no topology manager), init containers, DRA.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/weak_runner.h"
#include "kubelet/device_plugin.h"
#include "sim/kubelet/checkpoint.h"
#include "sim/kubelet/plugin_registry.h"

namespace tranche::sim {

struct ResourceCount {
  std::int64_t capacity = 0;     // registered, healthy or not
  std::int64_t allocatable = 0;  // healthy
  friend bool operator==(const ResourceCount&, const ResourceCount&) = default;
};

struct AllocatedDevice {
  std::string resource;
  std::string id;
  std::optional<std::int64_t> numa_node;
};

// Told as it happens; the same strings that `trace` shows.
struct DeviceEvents {
  std::function<void(const std::string& resource, const std::string& endpoint)> registered;
  std::function<void(const std::string& resource, const std::string& why)> refused;
  std::function<void(const std::string& resource, const std::string& endpoint, std::size_t total,
                     std::size_t healthy)>
      devices;
  std::function<void(const std::string& resource, const std::string& endpoint,
                     const std::string& why)>
      stream_lost;
};

class DeviceManager : private PluginEvents {
 public:
  using Requests = std::map<std::string, int>;
  using Done = std::function<void(base::Status)>;

  struct Options {
    std::string directory;
    std::function<std::set<std::string>()> active_pods;  // uids of pods that have not ended
    DeviceEvents events;
    base::Duration stop_grace = std::chrono::minutes(5);  // endpointStopGracePeriod
  };

  DeviceManager(base::EventLoop& loop, Options options);
  ~DeviceManager() override;

  // Reads the checkpoint, removes the sockets in the directory, listens on kubelet.sock.
  base::Status Start();

  void Allocate(const std::string& pod, const std::string& container, const Requests& requests,
                Done done);
  // Before each start of a container: PreStart where the plugin wants it, then the stored answers.
  void RunOptions(const std::string& pod, const std::string& container, const Requests& requests,
                  std::function<void(base::Result<kubelet::ContainerAnswer>)> done);

  // What a container was given, all resources together.
  [[nodiscard]] kubelet::ContainerAnswer StoredAnswer(const std::string& pod,
                                                      const std::string& container) const;

  // As at a node-status sync: a resource whose plugin has been away too long is dropped.
  std::map<std::string, ResourceCount> Capacity();
  [[nodiscard]] bool Knows(const std::string& resource) const;
  [[nodiscard]] std::vector<AllocatedDevice> DevicesOf(const std::string& pod,
                                                       const std::string& container) const;
  [[nodiscard]] std::vector<AllocatedDevice> AllocatableDevices() const;
  // Devices of one resource by health, for status views.
  [[nodiscard]] std::map<std::string, bool> HealthOf(const std::string& resource) const;
  void UpdateAllocatedDevices();

 private:
  using Ids = std::set<std::string>;
  struct Endpoint {
    std::shared_ptr<PluginClient> client;  // null: known from the checkpoint alone
    std::optional<base::TimePoint> stopped;
    std::optional<PluginOptions> options;
  };
  struct Given {
    DevicesByNuma ids;
    std::string serialized;
    kubelet::ContainerAnswer answer;
    [[nodiscard]] Ids All() const;
  };
  using Container = std::map<std::string, Given>;  // by resource
  struct Request;

  base::Status PluginConnected(const std::shared_ptr<PluginClient>& client,
                               const PluginOptions& options) override;
  void PluginDisconnected(const std::string& resource, const std::string& socket_path) override;
  void DevicesReceived(const std::string& resource, const std::string& socket_path,
                       std::vector<kubelet::PluginDevice> devices) override;
  void RegistrationRefused(const std::string& resource, const std::string& why) override;
  void StreamEnded(const std::string& resource, const std::string& socket_path,
                   const base::Status& why) override;

  [[nodiscard]] std::string CheckpointPath() const;
  void ReadCheckpoint();
  void WriteCheckpoint();
  base::Status CleanDirectory();
  void MarkUnhealthy(const std::string& resource);
  void RecountAllocated();
  [[nodiscard]] const Given* Find(const std::string& pod, const std::string& container,
                                  const std::string& resource) const;

  void AllocateNext(std::shared_ptr<Request> request);
  base::Status CheckDevices(const Request& request, int& needed) const;
  void ChooseDevices(std::shared_ptr<Request> request, int needed);
  void Preferred(std::shared_ptr<Request> request, int needed, const Ids& available,
                 const base::Result<std::vector<std::string>>& answer);
  void CallAllocate(std::shared_ptr<Request> request, const Ids& ids);
  void Store(const Request& request, const Ids& ids, AllocateAnswer answer);
  void Finish(Request& request, const base::Status& status);
  void PreStartNext(std::shared_ptr<Request> request);
  std::vector<std::string> Unsorted(const Ids& ids);

  base::EventLoop& loop_;
  Options options_;
  std::map<std::string, std::map<std::string, std::shared_ptr<Endpoint>>> store_;  // + socket path
  std::map<std::string, std::shared_ptr<Endpoint>> endpoints_;
  std::map<std::string, std::map<std::string, kubelet::PluginDevice>> all_;
  std::map<std::string, Ids> healthy_;
  std::map<std::string, Ids> unhealthy_;
  std::map<std::string, Ids> allocated_;
  std::map<std::string, std::map<std::string, Container>> pods_;  // uid, container
  // Go's sets have no order, so neither may a plugin count on one. Seeded alike, to be repeatable.
  std::mt19937 random_;
  std::unique_ptr<PluginRegistry> registry_;
  base::WeakRunner runner_{loop_};  // the last member: destroyed first
};

}  // namespace tranche::sim
