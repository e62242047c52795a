// kubelet.sock: where device plugins register, and the connections that come of it
// (pkg/kubelet/cm/devicemanager/plugin/v1beta1, server.go and handler.go).
//
// Everything on the loop. What the real one does on a second registration over an open stream is
// kept: the refusal, and the loss of its own record of the first client.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "kubelet/device_plugin.h"
#include "sim/kubelet/plugin_client.h"

namespace tranche::rpc {
class Server;
class ServerCall;
}  // namespace tranche::rpc

namespace tranche::sim {

// What the registry tells the device manager.
class PluginEvents {
 public:
  virtual ~PluginEvents() = default;
  // An error refuses the registration with its message.
  virtual base::Status PluginConnected(const std::shared_ptr<PluginClient>& client,
                                       const PluginOptions& options) = 0;
  virtual void PluginDisconnected(const std::string& resource, const std::string& socket_path) = 0;
  virtual void DevicesReceived(const std::string& resource, const std::string& socket_path,
                               std::vector<kubelet::PluginDevice> devices) = 0;
  virtual void RegistrationRefused(const std::string& resource, const std::string& why) = 0;
  virtual void StreamEnded(const std::string& resource, const std::string& socket_path,
                           const base::Status& why) = 0;
};

class PluginRegistry {
 public:
  // `events` outlives the registry.
  PluginRegistry(base::EventLoop& loop, std::string directory, PluginEvents& events);
  ~PluginRegistry();
  PluginRegistry(const PluginRegistry&) = delete;
  PluginRegistry& operator=(const PluginRegistry&) = delete;

  // Listens on kubelet.sock in the directory.
  base::Status Start();

 private:
  using Call = std::shared_ptr<rpc::ServerCall>;
  using Client = std::shared_ptr<PluginClient>;

  void Register(const Call& call);
  void Connect(const Call& call, const std::string& resource, const std::string& socket_path);
  void Dialed(const Call& call, const Client& client, const base::Status& status);
  void Connected(const Call& call, const Client& client,
                 const base::Result<PluginOptions>& options);
  void Refuse(const Call& call, const std::string& resource, const base::Status& why);
  void Run(const Client& client);
  void Ended(const Client& client, const base::Status& why);
  void Forget(const std::string& resource, const std::string& socket_path);
  Client Find(const std::string& resource, const std::string& socket_path);

  base::EventLoop& loop_;
  std::string directory_;
  PluginEvents& events_;
  std::map<std::string, std::vector<Client>> clients_;  // by resource
  std::set<Client> dialing_;
  std::set<Client> running_;
  std::unique_ptr<rpc::Server> server_;
};

// The kubelet's own rule (k8s.io/kubernetes/pkg/apis/core/v1/helper, IsExtendedResourceName).
bool IsExtendedResourceName(const std::string& name);

}  // namespace tranche::sim
