// PodNames is an API server as far as `tranche node` asks one: the list of a node's pods with their
// names, UIDs and annotations, and a watch of them that stays open, over HTTP on the loopback
// interface. The small kubelet has no API server; this stands in its place.
//
// Threading: the loop's thread.
// Errors: Start fails where no socket can be had; Annotate where there is no pod of that name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "http/tcp_listener.h"
#include "http/testing/scripted_server.h"

namespace tranche::sim {

struct NamedPod {
  std::string uid;  // by which its control group is named
  std::string name;
  std::string container_id;
  std::string pod_namespace = "default";
  std::string container = "main";
};

class PodNames {
 public:
  // The pods are those of the node `node`.
  static base::Result<std::unique_ptr<PodNames>> Start(base::EventLoop& loop, std::string node);

  void Add(const NamedPod& pod);
  // As `kubectl annotate --overwrite pod NAME KEY=VALUE`.
  base::Status Annotate(const std::string& name, const std::string& key, const std::string& value);

  // What a client's kubeconfig has to say.
  [[nodiscard]] std::string Kubeconfig() const;

 private:
  using Server = http::testing::ScriptedServer;

  struct Change {
    const char* kind;
    base::Json object;
  };

  PodNames(base::EventLoop& loop, http::TcpListener listener, std::string node)
      : node_(std::move(node)),
        server_(loop, std::move(listener),
                [this](const Server::Request& request) { Answer(request); }) {}
  void Answer(const Server::Request& request);
  void SendChange(const char* kind, base::Json object);
  [[nodiscard]] std::string List() const;
  [[nodiscard]] std::string Version() const { return std::to_string(1 + changes_.size()); }

  const std::string node_;
  Server server_;
  std::vector<Server::Request> watches_;
  std::map<std::string, base::Json> pods_;  // by name
  std::vector<Change> changes_;             // the first one made resourceVersion 2
};

}  // namespace tranche::sim
