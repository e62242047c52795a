// PodNames is an API server as far as `tranche node` asks one: the list of a node's pods with their
// names, UIDs and annotations, and a watch of them that stays open, over HTTP on the loopback
// interface. The small kubelet has no API server; this stands in its place.
//
// It serves one client at a time well, and trusts it: whoever does not read what it is sent, or
// asks at great length, is cut off, and may come again.
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
#include "base/file.h"
#include "base/json.h"
#include "base/status.h"

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
  ~PodNames();
  PodNames(const PodNames&) = delete;
  PodNames& operator=(const PodNames&) = delete;

  void Add(const NamedPod& pod);
  // As `kubectl annotate --overwrite pod NAME KEY=VALUE`.
  base::Status Annotate(const std::string& name, const std::string& key, const std::string& value);

  // What a client's kubeconfig has to say.
  [[nodiscard]] std::string Kubeconfig() const;

 private:
  struct Connection {
    base::UniqueFd fd;
    base::EventLoop::WatchId reading = 0;
    std::string in;
    bool follows = false;
  };
  struct Change {
    const char* kind;
    base::Json object;
  };

  PodNames(base::EventLoop& loop, std::string node) : loop_(loop), node_(std::move(node)) {}
  base::Status Listen();
  void Accept();
  void Read(int number);
  void Answer(int number, const std::string& target);
  bool Send(int number, const std::string& text);  // false: it was cut off
  void Close(int number);
  void Tell(const char* kind, base::Json object);

  [[nodiscard]] std::string Version() const { return std::to_string(1 + changes_.size()); }
  static std::string Line(const Change& change);

  base::EventLoop& loop_;
  const std::string node_;
  base::UniqueFd listener_;
  base::EventLoop::WatchId accepting_ = 0;
  int port_ = 0;
  int last_ = 0;
  std::map<int, Connection> connections_;
  std::map<std::string, base::Json> pods_;  // by name
  std::vector<Change> changes_;             // the first one made resourceVersion 2
};

}  // namespace tranche::sim
