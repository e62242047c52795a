// `tranche node`, the second program on a node: it shows from outside who uses which GPU, and
// holds up memory walls where the sharing config asks for them.
//
// It asks the driver once per interval, the kernel which pod each process is of, the API server for
// the names of this node's pods, and the kubelet which GPUs each pod was given. It works without
// the last two: pods then go by their UIDs, and it does not say whether a pod was given what it
// uses.
//
// Threading: the loop's thread.
// Errors: the environment's are tried again and shown by State().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/timer.h"
#include "base/weak_runner.h"
#include "daemon/api_link.h"
#include "daemon/endpoints.h"
#include "daemon/event_log.h"
#include "daemon/life.h"
#include "daemon/status_file.h"
#include "gpu/gpu_watch.h"
#include "kubelet/pod_resources.h"
#include "node/delivery/delivery.h"
#include "node/followed_config.h"
#include "node/history/history.h"
#include "node/identity/given.h"
#include "node/identity/pods.h"
#include "node/identity/proc.h"
#include "node/identity/processes.h"
#include "node/metrics.h"
#include "node/sight/sight.h"
#include "node/walls/arbiter.h"
#include "plan/plan.h"
#include "web/page.h"
#include "wire/message.h"

namespace tranche::node {

// What the kubelet says of the devices on this node.
struct KubeletAnswer {
  std::vector<kubelet::Holding> holdings;
  // Absent where it does not tell: a kubelet before 1.28 need not.
  std::optional<std::vector<kubelet::Offer>> offers;
};
// Asks the kubelet.
using KubeletDone = std::function<void(base::Result<KubeletAnswer>)>;
using KubeletLister = std::function<void(const std::string& socket, KubeletDone done)>;
KubeletLister NewKubeletLister(base::EventLoop& loop);

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
  static constexpr base::Duration kAskKubelet = std::chrono::seconds(5);
  static constexpr base::Duration kLookForExporter = std::chrono::seconds(60);
  static constexpr base::Duration kForgetBirths = std::chrono::minutes(10);
  // A pod is reported for using what it was not given only after this long: the kubelet's answer is
  // a little old.
  static constexpr base::Duration kStranger = 3 * kAskKubelet;
  // How long the last figures are shown where the driver gives no new ones.
  static constexpr base::Duration kFresh = std::chrono::seconds(15);

  Node(base::EventLoop& loop, NodeOptions options);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Runs until told to end; the process's exit status. Call once.
  int Run();
  void OnSignal(int number);

  [[nodiscard]] NodeState State() const;
  [[nodiscard]] std::string MetricsText() const;
  [[nodiscard]] base::Json StatusJson() const;
  [[nodiscard]] int port() const { return endpoints_.port(); }
  [[nodiscard]] int page_port() const { return page_.page.port(); }

 private:
  void Begin();
  void Look();
  void UsageRead(const gpu::Usage& usage);
  [[nodiscard]] sight::Whose WhoseIs(unsigned pid);
  [[nodiscard]] sight::Holder HolderOf(const identity::PodGroup& group) const;
  // The container by its name; nullopt where it is not known (yet).
  [[nodiscard]] std::optional<sight::Holder> Named(const identity::PodGroup& group) const;
  [[nodiscard]] std::optional<bool> Alive(const sight::Holder& holder) const;
  void TellOfStrangers();
  void AskKubelet();
  // What the kubelet tells of the shares of each device; empty where it does not.
  [[nodiscard]] std::map<std::string, identity::Shares> Shares() const;
  void TellSightWhoHoldsWhat();
  void SetLimits();
  void LookForExporter();
  std::unique_ptr<walls::Arbiter> NewWalls();
  void ApplyConfig();
  void TellWallsWhoHoldsWhat();
  void AskKubeletSoon();
  void PodsChanged();
  void TellOfWall(walls::News news, const identity::PodRef& pod, const std::string& message);
  void DeliverShim();
  void DeliveryChanged();
  [[nodiscard]] identity::PodGroup GroupOf(unsigned pid) const;  // without a UID: of no pod
  void AskDriver();
  void LookInside(unsigned pid, const std::string& container_id,
                  std::function<void(walls::Inside)> done);
  void HasPage(unsigned pid, const walls::PageIdentity& counters, std::function<void(bool)> done);
  void ForgetBirths();
  [[nodiscard]] WallsState Walls() const;
  void Connected(apiserver::ApiClient& api, const std::string& default_namespace);
  void NotConnected(const base::Status& why);
  [[nodiscard]] bool Fresh() const;
  [[nodiscard]] std::vector<std::string> Degraded() const;

  base::EventLoop& loop_;
  const NodeOptions options_;
  // What is known of whom, and how well.
  struct Knowledge {
    base::Status pods{base::Code::kUnavailable, "not asked yet"};
    base::Status grants{base::Code::kUnavailable, "not asked yet"};
    identity::Given given;
    // Its version that sight has been told; absent: it was told that nobody knows.
    std::optional<std::uint64_t> given_to_sight;
    std::optional<std::uint64_t> given_to_walls;
    bool asking_kubelet = false;
    base::TimePoint kubelet_asked{};  // for that answer
    base::Status usage{base::Code::kUnavailable, "not asked yet"};
    std::optional<base::TimePoint> usage_at;
    struct Stranger {
      base::TimePoint since;
      bool told = false;
    };
    std::map<std::pair<std::string, std::string>, Stranger> strangers;  // by GPU and pod
    bool exporter = false;                                              // dcgm-exporter runs here
    std::map<std::string, std::uint64_t> xids;                          // the last of each GPU
    std::string undelivered;  // why the shim is not published, as last told
  } known_;

  // Each part comes before those that use it, and so is destroyed after them.
  daemon::Life life_;
  daemon::StatusFile status_file_;
  std::unique_ptr<identity::Proc> proc_;
  identity::Processes processes_;
  identity::Pods pods_;
  sight::Sight sight_;
  struct Rules {
    FollowedConfig config;
    std::unique_ptr<walls::Arbiter> walls;  // what of it is enforced
    std::optional<plan::Plan> plan;         // what it makes of the devices
    // Looks into programs, which may take as long as those like.
    std::unique_ptr<base::disk::Worker> looks = {};
  } rules_;
  daemon::ApiLink api_;
  std::unique_ptr<apiserver::ApiWatch> watch_;
  daemon::EventLog events_;
  KubeletLister ask_kubelet_;
  struct Disk {
    std::unique_ptr<base::disk::Worker> worker;
    std::unique_ptr<delivery::Delivery> delivery;
  } disk_;
  gpu::GpuWatch gpus_;
  daemon::Endpoints endpoints_;
  struct Shown {
    history::History history;
    web::Page page;
  } page_;
  struct Timers {
    explicit Timers(base::EventLoop& loop)
        : look(loop),
          kubelet(loop),
          exporter(loop),
          walls_look(loop),
          walls_kubelet(loop),
          births(loop) {}
    base::Timer look;
    base::Timer kubelet;
    base::Timer exporter;
    base::Timer walls_look;
    base::Timer walls_kubelet;
    base::Timer births;
  } timers_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::node
