// A kubelet in the same process, without sockets but for the file by which it is known: for tests
// in virtual time. It registers whoever asks while it runs, and opens one stream to each.
//
// Threading: the loop's thread.
// Errors: while it is stopped a registration fails as on a socket on which nobody listens.
#pragma once

#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/weak_runner.h"
#include "kubelet/device_plugin.h"

namespace tranche::kubelet::testing {

class InlineKubelet {
 public:
  InlineKubelet(base::EventLoop& loop, std::string socket)
      : socket_(std::move(socket)), runner_(loop) {
    Start();
  }

  // What a plugin speaks with it through. This object outlives it.
  std::unique_ptr<PluginLink> NewLink() { return std::make_unique<Link>(*this); }

  void Start() {
    running_ = true;
    TRANCHE_CHECK(base::WriteFileAtomic(socket_, "").ok());
  }
  // Every stream ends; the plugins' sockets are wiped when it starts again, as the real one does.
  void Stop() {
    running_ = false;
    unlink(socket_.c_str());
    const std::map<std::string, Server*> servers = servers_;
    for (const auto& [path, server] : servers) {
      if (!servers_.contains(path)) continue;
      server->in_place = false;
      if (std::exchange(server->streams, 0) > 0)
        server->handler.StreamChanged(PluginHandler::Stream::kLost);
    }
    registered_.clear();
  }

  // What the kubelet knows now of `resource`: ids and whether they are healthy, in the order sent.
  // Of several plugins, that which registered last.
  [[nodiscard]] std::vector<std::string> Healthy(const std::string& resource) const {
    return IdsOf(resource, true);
  }
  [[nodiscard]] std::vector<std::string> Unhealthy(const std::string& resource) const {
    return IdsOf(resource, false);
  }
  // As for a pod that is admitted. kNotFound: nobody serves that resource.
  base::Result<ContainerAnswer> Allocate(const std::string& resource,
                                         const std::vector<std::string>& ids) {
    const auto path = registered_.find(resource);
    const auto server = path == registered_.end() ? servers_.end() : servers_.find(path->second);
    if (server == servers_.end()) return base::Status(base::Code::kNotFound, resource);
    return server->second->handler.Allocate(ids);
  }
  [[nodiscard]] int lists() const { return lists_; }  // messages received on all streams
  [[nodiscard]] const std::vector<std::string>& endpoints() const { return endpoints_; }

 private:
  struct Server : PluginServer {
    Server(InlineKubelet& owner, std::string where, PluginHandler& who)
        : kubelet(owner), path(std::move(where)), handler(who) {
      kubelet.servers_[path] = this;
    }
    ~Server() override {
      if (const auto it = kubelet.servers_.find(path);
          it != kubelet.servers_.end() && it->second == this) {
        kubelet.servers_.erase(it);
      }
    }
    void SetDevices(std::vector<PluginDevice> list) override {
      devices = std::move(list);
      if (streams > 0) ++kubelet.lists_;
    }
    [[nodiscard]] int open_streams() const override { return streams; }
    [[nodiscard]] bool SocketInPlace() const override { return in_place; }

    InlineKubelet& kubelet;
    const std::string path;
    PluginHandler& handler;
    std::vector<PluginDevice> devices;
    int streams = 0;
    bool in_place = true;
  };

  struct Link : PluginLink {
    explicit Link(InlineKubelet& owner) : kubelet(owner) {}
    base::Result<std::unique_ptr<PluginServer>> StartServer(const std::string& socket_path,
                                                            PluginHandler& handler) override {
      return std::unique_ptr<PluginServer>(std::make_unique<Server>(kubelet, socket_path, handler));
    }
    void Register(const Registration& registration,
                  std::function<void(base::Status)> done) override {
      kubelet.runner_.Post(
          [this, registration, done = std::move(done)] { kubelet.Registered(registration, done); });
    }
    void List(const std::string& pod_resources_socket,
              std::function<void(base::Result<std::vector<Holding>>)> done) override {
      kubelet.runner_.Post([pod_resources_socket, done = std::move(done)] {
        done(base::Status(base::Code::kNotFound, pod_resources_socket));
      });
    }
    InlineKubelet& kubelet;
  };

  void Registered(const Registration& registration, const std::function<void(base::Status)>& done) {
    const std::string path = base::JoinPath(base::ParentDirectory(socket_), registration.endpoint);
    const auto server = servers_.find(path);
    if (!running_ || server == servers_.end()) {
      return done({base::Code::kUnavailable, "nobody listens"});
    }
    registered_[registration.resource] = path;
    endpoints_.push_back(registration.endpoint);
    done(base::Status::Ok());
    server->second->streams = 1;
    ++lists_;
    server->second->handler.StreamChanged(PluginHandler::Stream::kOpened);
  }

  [[nodiscard]] std::vector<std::string> IdsOf(const std::string& resource, bool healthy) const {
    std::vector<std::string> ids;
    const auto path = registered_.find(resource);
    if (path == registered_.end()) return ids;
    const auto server = servers_.find(path->second);
    if (server == servers_.end() || server->second->streams == 0) return ids;
    for (const PluginDevice& device : server->second->devices) {
      if (device.healthy == healthy) ids.push_back(device.id);
    }
    return ids;
  }

  const std::string socket_;
  bool running_ = false;
  int lists_ = 0;
  std::map<std::string, Server*> servers_;         // by path of the socket
  std::map<std::string, std::string> registered_;  // resource to path
  std::vector<std::string> endpoints_;             // in the order registered
  base::WeakRunner runner_;
};

}  // namespace tranche::kubelet::testing
