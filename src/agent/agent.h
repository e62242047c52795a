// The agent: driver, configuration, kubelet and reports brought together on one loop.
//
// It decides nothing itself: gpu/ says what is there and whether it is well, config/ what is
// wanted, plan and share/ what follows from both, ServedSet tells the kubelet. The loop's thread.
#pragma once

#include <memory>
#include <string>

#include "agent/options.h"
#include "agent/serve/endpoint_names.h"
#include "agent/serve/holders.h"
#include "agent/serve/served_set.h"
#include "agent/status/state.h"
#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/http_server.h"
#include "base/log.h"
#include "daemon/handover.h"
#include "daemon/node_events.h"
#include "gpu/driver_thread.h"
#include "gpu/health.h"
#include "gpu/inventory_memory.h"
#include "labels/publisher.h"
#include "profile/cluster_source.h"
#include "profile/in_force.h"

namespace tranche::agent {

class Agent {
 public:
  Agent(base::EventLoop& loop, AgentOptions options);
  ~Agent();

  // Runs until told to end; the process's exit status. Call once.
  int Run();
  // After Run: it left because a newer agent serves, not because it was told to end.
  [[nodiscard]] bool yielded() const { return yielded_; }

  void OnSignal(int number);

  [[nodiscard]] agent::status::AgentState Snapshot() const;

 private:
  void Begin();
  void ListenHttp();
  [[nodiscard]] std::unique_ptr<profile::ConfigSource> NewSource();
  [[nodiscard]] bool WantsApi() const;
  void BeginApi();
  void ConnectApi();
  void StartDriver();
  void Scanned(gpu::Scan scan);
  void Settled();
  void ScanFailed(const base::Status& status);
  void ScheduleScan();
  void DeviceNodesChanged();
  base::Status Apply(const config::Loaded& loaded, const std::string& source);
  void UpdateLabels(const config::Config& config, const plan::Plan& plan);
  void AttachLabels();
  base::Status WriteCdi(const config::Config& config, plan::NodeFacts& facts);
  void HealthChanged(const std::vector<gpu::HealthChange>& changes);
  void ScheduleHealth();
  void KubeletDirectoryChanged();
  void ServingChanged();
  void HoldersChanged();
  void Yield(const daemon::AgentIdentity& successor);
  void Terminate();
  void End(int exit_status);
  void Event(const std::string& type, const std::string& reason, const std::string& message);
  void MarkDirty();
  void WriteStatus();
  [[nodiscard]] std::string DriverRoot() const;
  [[nodiscard]] profile::KubernetesState KubernetesSnapshot() const;

  base::EventLoop& loop_;
  const AgentOptions options_;
  daemon::AgentIdentity identity_;
  base::OncePer rarely_;

  agent::serve::EndpointNames names_;
  agent::serve::Holders holders_;
  agent::serve::ServedSet served_;
  gpu::HealthTracker health_;
  gpu::InventoryMemory memory_;

  // Whoever uses it is declared below it.
  std::unique_ptr<apiserver::ApiClient> api_;
  bool api_tried_ = false;
  base::Status api_status_{base::Code::kUnavailable, "not asked yet"};
  std::unique_ptr<daemon::NodeEvents> node_events_;
  labels::LabelPublisher labels_;
  labels::OutletChoice label_outlet_;
  base::Status label_status_;
  std::unique_ptr<profile::ConfigSource> source_;
  profile::ClusterSource* cluster_ = nullptr;  // source_, where it is one
  std::unique_ptr<profile::Configurator> configurator_;
  std::unique_ptr<daemon::Handover> handover_;
  std::unique_ptr<base::HttpServer> http_;
  std::unique_ptr<gpu::DriverThread> driver_;
  std::unique_ptr<base::DirectoryWatch> kubelet_watch_;
  std::unique_ptr<base::DirectoryWatch> device_watch_;

  bool driver_known_ = false;  // the first scan, good or bad, has been seen
  bool fail_on_init_error_ = true;
  base::Status driver_status_;
  gpu::Inventory seen_;       // the last scan's
  gpu::Inventory inventory_;  // with what is missing
  std::vector<std::string> plan_warnings_;
  std::string driver_root_;  // of the driver in use
  std::vector<std::string> device_nodes_;
  bool afresh_ = false;  // the next scan starts the driver anew
  int fresh_looks_ = 0;  // so do so many more
  base::FileIdentity kubelet_identity_;

  base::EventLoop::TimerId scan_timer_ = 0;
  base::EventLoop::TimerId health_timer_ = 0;
  base::EventLoop::TimerId status_timer_ = 0;
  base::EventLoop::TimerId api_timer_ = 0;
  std::deque<daemon::AgentEvent> events_;
  bool yielded_ = false;
  bool terminated_ = false;  // SIGTERM has come
  bool ending_ = false;
  int exit_status_ = 0;
};

}  // namespace tranche::agent
