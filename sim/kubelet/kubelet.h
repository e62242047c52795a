// A small kubelet: the real one's device manager over the real sockets, a one-node scheduler, and
// pods that are local processes. The demo, the quick tests and the benchmarks run against it.
// Destroying it is a kubelet's end: its sockets go, pods run on, and a new one with the same
// folders takes them up again. The slower clock of the API server is not simulated.
//
// Threading: the loop's thread only, its callbacks too.
// Errors: Start fails where a folder or a socket cannot be made. A request for a pod that does not
// exist, or that cannot be served now, is answered with an error; a pod that is refused or fails
// says so in its phase, its reason and its message.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "kubelet/device_plugin.h"
#include "sim/kubelet/device_manager.h"
#include "sim/kubelet/event.h"
#include "sim/kubelet/pod_process.h"

namespace tranche::sim {

struct PodSpec {
  std::string name = {};
  std::string pod_namespace = "default";
  std::map<std::string, int> requests = {};
  std::vector<std::string> command = {};  // empty: sleeps until deleted
  std::map<std::string, std::string> env = {};
  // Past the scheduler, as with a nodeName: the kubelet itself must refuse what does not fit.
  bool bound = false;
};

enum class PodPhase { kPending, kRunning, kSucceeded, kFailed };

struct Pod {
  PodSpec spec;
  std::string uid;
  PodPhase phase = PodPhase::kPending;
  std::string reason;
  std::string message;
  std::int64_t pid = 0;
  std::optional<int> exit_code;
  int restarts = 0;
  std::vector<AllocatedDevice> devices;
  std::vector<std::string> unhealthy;  // ids among `devices`: allocatedResourcesStatus
  kubelet::ContainerAnswer given;      // environment, mounts, … of its last start
  std::vector<std::string> not_applied;

  [[nodiscard]] bool ended() const {
    return phase == PodPhase::kSucceeded || phase == PodPhase::kFailed;
  }
  [[nodiscard]] base::Json ToJson() const;
};

class Kubelet {
 public:
  struct Options {
    std::string plugin_directory;
    std::string state_directory;
    std::string pod_resources_socket;  // empty: not served
    std::function<void(const Event&)> on_event = {};
    base::Duration stop_grace = std::chrono::minutes(5);
    base::Duration kill_grace = std::chrono::seconds(2);
    WhenKubeletEnds pods = WhenKubeletEnds::kGoesOn;
  };
  using PodDone = std::function<void(base::Result<Pod>)>;

  static base::Result<std::unique_ptr<Kubelet>> Start(base::EventLoop& loop, Options options);
  virtual ~Kubelet() = default;

  // Calls `done` when the pod runs, was refused, or has to wait (phase Pending). kAlreadyExists:
  // there is a pod of that name.
  virtual void RunPod(const PodSpec& spec, PodDone done) = 0;
  // Ends the pod and forgets it. `done` is called when its process is gone and its devices are
  // free.
  virtual void DeletePod(const std::string& name, std::function<void(base::Status)> done) = 0;
  // Starts a new process with the stored answers, as after a crash of the container.
  virtual void RestartContainer(const std::string& name, PodDone done) = 0;

  [[nodiscard]] virtual std::vector<Pod> Pods() const = 0;
  [[nodiscard]] virtual std::optional<Pod> FindPod(const std::string& name) const = 0;
  virtual std::map<std::string, ResourceCount> Node() = 0;
  [[nodiscard]] virtual std::map<std::string, bool> DeviceHealth(
      const std::string& resource) const = 0;

  // Stops, wipes and starts again; `down` long nobody listens on kubelet.sock.
  virtual void Restart(base::Duration down, std::function<void(base::Status)> done) = 0;
};

}  // namespace tranche::sim
