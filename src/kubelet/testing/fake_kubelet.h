// The kubelet's side of the device-plugin and pod-resources sockets, as far as a test of the agent
// needs it: takes registrations, opens the stream each of them asks for, keeps the lists it is
// sent, and tells who holds what. (sim/kubelet is the one that behaves like the real thing.)
//
// Everything on the loop.
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
#include "rpc/client.h"
#include "rpc/server.h"

namespace tranche::kubelet::testing {

class FakeKubelet {
 public:
  using List = std::map<std::string, std::string>;  // id: "Healthy" | "Unhealthy"
  struct Registered {
    std::string resource;
    std::string endpoint;
    friend bool operator==(const Registered&, const Registered&) = default;
  };

  // Its socket is kubelet.sock in `directory`.
  FakeKubelet(base::EventLoop& loop, std::string directory);
  ~FakeKubelet();
  [[nodiscard]] std::string socket() const;

  void Start();
  // As when its process ends: every connection closes. The socket's file goes with it.
  void Stop();
  void DropStream(const std::string& resource) { channels_.erase(resource); }

  void ServePodResources(const std::string& path);
  void StopPodResources() { pod_resources_.reset(); }
  // Answers the pod-resources calls that were held back.
  void AnswerLists();

  // Calls the plugin that registered last for `resource`.
  void Allocate(const std::string& resource, const std::vector<std::string>& ids,
                std::function<void(base::Result<ContainerAnswer>)> done);
  void Prefer(const std::string& resource, const PreferredQuery& query,
              std::function<void(base::Result<std::vector<std::string>>)> done);

  // ---- what it was told ----
  std::vector<Registered> registrations;
  std::map<std::string, std::vector<List>> lists;            // by resource, in order
  std::map<std::string, std::vector<std::string>> last_ids;  // by resource: the last list's order
  std::set<std::string> lost;                                // resources whose stream has ended
  int list_calls = 0;                                        // of pod-resources
  [[nodiscard]] std::size_t ListsOf(const std::string& resource) const;

  // ---- what it does ----
  std::string refusal;        // of registrations; "": none
  bool opens_streams = true;  // after a registration
  bool holds_lists_back = false;
  std::map<std::string, std::vector<std::string>> held;  // resource: ids

 private:
  void OnRegister(rpc::ServerCall& call);
  void OpenStream(const std::string& resource, const std::string& endpoint);
  void OnList(const std::shared_ptr<rpc::ServerCall>& call);
  void AnswerList(rpc::ServerCall& call) const;

  base::EventLoop& loop_;
  const std::string directory_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Server> pod_resources_;
  std::vector<std::shared_ptr<rpc::ServerCall>> waiting_lists_;
  std::map<std::string, std::unique_ptr<rpc::Channel>> channels_;
};

}  // namespace tranche::kubelet::testing
