// The device plugin: owns the parts and connects them on one event loop.
//
// gpu::GpuWatch says which GPUs there are and how well they are, profile::InForce which config is
// wanted; plan::BuildPlan makes resources of both, serve::Serving tells them to the kubelet and
// labels::NodeLabels to the node. What is left to decide here is when: a config is applied once the
// driver has been heard of, the node is taken over once every resource is served, and the API
// server is asked once the kubelet has been told.
//
// Threading: the loop's thread.
// Errors: the environment's are retried by the parts and shown by Snapshot(). The program ends with
// status 1 only where failOnInitError asks for that and nothing has ever been served.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/container_parts.h"
#include "agent/gpu_news.h"
#include "agent/options.h"
#include "agent/serve/serving.h"
#include "agent/shortfall.h"
#include "agent/status/state.h"
#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "config/load.h"
#include "daemon/daemon.h"
#include "daemon/handover/succession.h"
#include "gpu/gpu_watch.h"
#include "labels/node_labels.h"
#include "profile/in_force.h"

namespace tranche::agent {

class Agent {
 public:
  // kInvalidArgument: flags and environment alone make no sense, which no edit of a config mends.
  static base::Result<std::unique_ptr<Agent>> New(base::EventLoop& loop, AgentOptions options);
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Runs until told to end; the process's exit status. Call once.
  int Run();
  // After Run: it left because a newer agent serves, not because it was told to end.
  [[nodiscard]] bool yielded() const { return succession_.yielded(); }

  void OnSignal(int number);

  [[nodiscard]] status::AgentState Snapshot() const;

 private:
  Agent(base::EventLoop& loop, AgentOptions options);

  void Begin();
  void Scanned(const gpu::GpuWatch::News& news);
  void DriverFailed(const gpu::GpuWatch::News& news);
  bool EndsAtInit(const std::string& what, const std::string& why);
  void TellGpuNews();
  void HealthChanged(const std::vector<gpu::HealthChange>& changes);
  base::Status Apply(const config::Loaded& loaded, const std::string& source);
  [[nodiscard]] ContainerParts::Node NodeNow() const;
  void DevicesScanned(const gpu::GpuWatch::News& news);
  void KeepPlan();
  void RemakeParts();
  void TryAgainWithAnswer();
  [[nodiscard]] std::string DriverRoot();
  bool UpdateUnfit(const serve::Applied& applied);
  base::Result<plan::NodeFacts> FactsFor(const std::vector<std::string>& uuids);
  void TellOfUnwalled(const std::vector<std::string>& uuids);
  void ServingChanged();
  void Connected(apiserver::ApiClient& api, const std::string& default_namespace);
  void Reload();

  base::EventLoop& loop_;
  const AgentOptions options_;
  bool driver_worked_ = false;

  // Each part comes before those that use it, and so is destroyed after them.
  daemon::Daemon daemon_;
  labels::NodeLabels labels_;
  // What looks at files that may hang: our own on the node's disk, and the driver's.
  struct Workers {
    std::unique_ptr<base::disk::Worker> driver_root;
    std::unique_ptr<base::disk::Worker> disk;
  } workers_;
  GpuNews gpu_news_;
  gpu::GpuWatch gpus_;
  Shortfall shortfall_;
  ContainerParts parts_;
  serve::Serving serving_;
  profile::InForce config_;
  daemon::handover::Succession succession_;
};

}  // namespace tranche::agent
