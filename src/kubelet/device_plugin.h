// PluginServer is one resource's device-plugin endpoint: a gRPC server on a Unix socket that the
// kubelet calls. RegisterWithKubelet is the call that announces the endpoint to the kubelet.
// (k8s.io/kubelet deviceplugin v1beta1.)
//
// Threading: the loop's thread.
// Errors: Start returns a Status; a server that ends later reports it by ServerFailed, and a
// registration that fails by its callback.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "kubelet/pod_resources.h"
#include "rpc/client.h"

namespace tranche::kubelet {

struct PluginDevice {
  std::string id;
  bool healthy = true;
  std::optional<int> numa_node = std::nullopt;
};

struct Mount {
  std::string container_path;
  std::string host_path;
  bool read_only = false;
};

struct DeviceSpec {
  std::string container_path;
  std::string host_path;
  std::string permissions;
};

struct ContainerAnswer {
  std::map<std::string, std::string> env;
  std::vector<Mount> mounts;
  std::vector<DeviceSpec> devices;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> cdi_devices;
};

struct PreferredQuery {
  std::vector<std::string> available;
  std::vector<std::string> must_include;
  int size = 0;
};

// What the endpoint asks its owner. Runs on the loop; must not block, and must not end the server
// but in StreamChanged and ServerFailed.
class PluginHandler {
 public:
  enum class Stream { kOpened, kLost };

  virtual ~PluginHandler() = default;
  virtual base::Result<ContainerAnswer> Allocate(const std::vector<std::string>& ids) = 0;
  virtual base::Result<std::vector<std::string>> Preferred(const PreferredQuery& query) = 0;
  // A ListAndWatch stream was opened or lost; open_streams() counts it already. Both come for each
  // stream: a kubelet may open its next before the last is seen to be gone.
  virtual void StreamChanged(Stream change) = 0;
  // The server ended without having been stopped.
  virtual void ServerFailed(const std::string& why) = 0;
};

class PluginServer {
 public:
  // Listens on `socket_path` (mode 0600; a stale socket there is removed) and serves. `handler`
  // outlives the server.
  static base::Result<std::unique_ptr<PluginServer>> Start(base::EventLoop& loop,
                                                           const std::string& socket_path,
                                                           PluginHandler& handler);
  // Ends streams at once; unlinks the socket only if it is still the one this server made.
  virtual ~PluginServer() = default;

  // Sends the whole list to every open stream, and to each one opened later. Calls made while a
  // stream is still sending merge into one: a reader that never reads costs one list.
  virtual void SetDevices(std::vector<PluginDevice> devices) = 0;
  [[nodiscard]] virtual int open_streams() const = 0;
  // The socket file is still the one this server made (the kubelet wipes the folder at its start).
  [[nodiscard]] virtual bool SocketInPlace() const = 0;
};

struct Registration {
  std::string kubelet_socket;
  std::string endpoint;  // basename of the plugin's socket, in the kubelet socket's folder
  std::string resource;
};

// Registers without blocking; `done` runs on the loop, within 5 s, and not after the caller's end.
void RegisterWithKubelet(rpc::Caller& caller, const Registration& registration,
                         std::function<void(base::Status)> done);

// Both of the above, and ListHoldings, as one interface: a test puts its own in place, and then
// needs neither sockets nor threads.
class PluginLink {
 public:
  virtual ~PluginLink() = default;
  virtual base::Result<std::unique_ptr<PluginServer>> StartServer(const std::string& socket_path,
                                                                  PluginHandler& handler) = 0;
  virtual void Register(const Registration& registration,
                        std::function<void(base::Status)> done) = 0;
  virtual void List(const std::string& pod_resources_socket,
                    std::function<void(base::Result<std::vector<Holding>>)> done) = 0;
};
// By gRPC, over Unix sockets.
std::unique_ptr<PluginLink> NewPluginLink(base::EventLoop& loop);

}  // namespace tranche::kubelet
