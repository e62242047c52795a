// `tranche node`, the second program on a node: it shows from outside who uses which GPU, and
// holds up memory walls where the sharing config asks for them.
//
// It owns the parts and connects them on one event loop. gpu::GpuWatch asks the driver once per
// interval, ProcessOwners says of which pod each process is and how that is called, and
// KubeletWatch which GPUs each pod was given; sight::Sight adds up what comes of it. It works
// without API server and kubelet: pods then go by their UIDs, and it does not say whether a pod was
// given what it uses. WallKeeper holds up the walls.
//
// Threading: the loop's thread.
// Errors: the environment's are tried again and shown by State().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "base/timer.h"
#include "daemon/daemon.h"
#include "gpu/gpu_watch.h"
#include "node/delivery/delivery.h"
#include "node/exporter_watch.h"
#include "node/followed_config.h"
#include "node/history/history.h"
#include "node/identity/proc.h"
#include "node/kubelet_watch.h"
#include "node/process_owners.h"
#include "node/sight/sight.h"
#include "node/status/metrics.h"
#include "node/strangers.h"
#include "node/wall_keeper.h"
#include "web/page.h"
#include "wire/message.h"

namespace tranche::node {

// Whether GPUs are also told of under dcgm-exporter's names; kAuto: where none runs on the node.
enum class DcgmNames { kAuto, kOn, kOff };

struct NodeOptions {
  gpu::GpuWatch::Options gpus;
  std::string driver_root;
  std::string pod_resources_socket;  // "": do without
  std::string run_directory;         // of status.json; "": none is written
  std::string listen;                // "": no HTTP
  std::string page_listen;           // "": no page
  std::string node_name;             // "": names of pods are not asked for
  std::string hostname;
  std::string version;
  bool events = false;  // Kubernetes Events on the node
  DcgmNames dcgm_names = DcgmNames::kAuto;
  struct Walls {
    std::string directory;  // of the socket; "": no walls, whatever the config says
    std::string proc_root = "/proc";
    std::string shims;   // folder of the files that containers are given; "": not known
    std::string births;  // where tranche-hook reports (hook/report.h); "": nowhere
  } walls;
  // How the library that keeps to walls gets into pods; `walls` is the folder above.
  delivery::Delivery::Options delivery;
  FollowedConfig::Options config;
  base::Duration interval = std::chrono::seconds(1);
  base::Duration rescan_interval = std::chrono::seconds(10);

  std::function<base::Result<daemon::ApiConnection>(base::EventLoop&)> new_api;
  // What stays as it is outside tests.
  std::function<std::unique_ptr<identity::Proc>()> new_proc = [] {
    return identity::NewProc("/proc");
  };
  std::function<KubeletLister(base::EventLoop&)> new_lister = NewKubeletLister;
  std::function<std::unique_ptr<base::disk::Worker>(base::EventLoop&)> new_worker =
      [](base::EventLoop& loop) { return base::disk::Worker::New(loop); };
};

class Node {
 public:
  // Where programs in pods look for the socket of the walls.
  static constexpr const char* kWallsDirectory = wire::kDirectory;
  // How long the last figures are shown where the driver gives no new ones.
  static constexpr base::Duration kFresh = std::chrono::seconds(15);

  Node(base::EventLoop& loop, NodeOptions options);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Runs until told to end; the process's exit status. Call once.
  int Run();
  void OnSignal(int number);

  [[nodiscard]] status::NodeState State() const;
  [[nodiscard]] std::string MetricsText() const;
  [[nodiscard]] base::Json StatusJson() const;
  [[nodiscard]] int port() const { return daemon_.endpoints().port(); }
  [[nodiscard]] int page_port() const { return page_.port(); }

 private:
  void Begin();
  void AnswerHttp();
  void Scanned(const gpu::GpuWatch::News& news);
  void Look();
  void AskDriver();
  void UsageRead(const gpu::Usage& usage);
  void TellSightWhoHoldsWhat();
  [[nodiscard]] std::map<std::string, identity::Shares> Shares() const;
  [[nodiscard]] WallKeeper::Options WallOptions() const;
  [[nodiscard]] bool Fresh() const;
  [[nodiscard]] std::vector<std::string> Degraded(const status::WallsState& walls) const;

  base::EventLoop& loop_;
  const NodeOptions options_;
  std::map<std::string, std::uint64_t> xids_;  // the last of each GPU
  // How the driver has answered last, and when it did so with figures.
  struct LastUsage {
    base::Status status{base::Code::kUnavailable, "not asked yet"};
    std::optional<base::TimePoint> at;
  } last_usage_;
  // The version of who was given what that sight was told; absent: that nobody knows.
  std::optional<std::uint64_t> given_to_sight_;

  // Each part comes before those that use it, and so is destroyed after them.
  daemon::Daemon daemon_;
  ProcessOwners owners_;
  sight::Sight sight_;
  Strangers strangers_;
  ExporterWatch exporter_;
  FollowedConfig config_;
  KubeletWatch kubelet_;
  std::unique_ptr<base::disk::Worker> disk_;
  WallKeeper walls_;
  gpu::GpuWatch gpus_;
  history::History history_;
  web::Page page_;
  base::Timer look_timer_;
};

}  // namespace tranche::node
