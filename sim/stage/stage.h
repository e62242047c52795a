// Stage runs whole programs: it gives them the fixed paths of a node in a mount namespace of this
// process alone, with a simulated node, the small kubelet and a folder of profiles. The demo, the
// whole-process tests and the benchmarks all use it.
//
// Inside, /var/lib and /run are empty folders of the stage's own, so nothing of the host can be
// touched, and programs find and make their files under their true names. There is one stage per
// process. Waiting runs the loop. Destruction ends pods and programs and removes the temporary
// folder; where this process is killed, pods and programs are killed with it.
//
// Threading: one thread.
// Errors: a Status. Until returns false when its limit passes first.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "sim/kubelet/kubelet.h"
#include "sim/node/node.h"

namespace tranche::sim {

// The kubelet's own paths.
inline constexpr char kPluginDirectory[] = "/var/lib/kubelet/device-plugins";
inline constexpr char kKubeletSocket[] = "/var/lib/kubelet/device-plugins/kubelet.sock";
inline constexpr char kPodResourcesSocket[] = "/var/lib/kubelet/pod-resources/kubelet.sock";

struct StageOptions {
  std::string node;    // profile to simulate; "": none, the machine's own driver root
  bool force = false;  // also where a kubelet serves this machine
  // The program `tranche`, to serve the simulated node's GPUs (`tranche sim driver`), so that pods
  // and programs can use CUDA; "": none does.
  std::string driver = {};
  std::vector<std::string> driver_flags = {};  // --time-scale, …
};

struct ProgramSpec {
  std::string path;
  std::vector<std::string> arguments;      // argv[0] included
  std::map<std::string, std::string> env;  // added to this process's
  std::string log;                         // file name in the stage's folder; appended to
};

class Stage {
 public:
  // kFailedPrecondition: a kubelet serves this machine. kPermissionDenied: no namespace to be had.
  static base::Result<std::unique_ptr<Stage>> Set(base::EventLoop& loop,
                                                  const StageOptions& options);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& driver_root() const { return driver_root_; }
  [[nodiscard]] Node* node() const { return node_.get(); }  // nullptr: not simulated
  [[nodiscard]] base::EventLoop& loop() { return loop_; }

  // Starts it (again), and waits until programs can connect. Its log is driver.log.
  base::Status StartDriver(const std::string& program, const std::vector<std::string>& flags = {});
  [[nodiscard]] pid_t driver() const { return driver_; }  // 0: none was started

  base::Status StartKubelet(std::function<void(const Event&)> on_event = {});
  void StopKubelet() { kubelet_.reset(); }
  [[nodiscard]] Kubelet& kubelet() { return *kubelet_; }

  base::Result<pid_t> StartProgram(const ProgramSpec& spec);
  // Signals, waits, and gives the wait status. A program that does not end within 15 s is killed.
  int StopProgram(pid_t pid, int signal_number);
  [[nodiscard]] bool Runs(pid_t pid);  // reaps it when not
  [[nodiscard]] std::vector<std::string> LogTail(const std::string& log, std::size_t lines) const;

  // The profiles folder as the kubelet mounts a ConfigMap: each call is one `..data` swap.
  base::Status WriteProfiles(const std::map<std::string, std::string>& profiles);
  [[nodiscard]] std::string ProfilesDirectory() const;

  // Runs the loop until `condition` holds; false when `limit` passes first (a safety limit).
  bool Until(const std::function<bool()>& condition,
             base::Duration limit = std::chrono::seconds(30));

  base::Result<Pod> RunPod(const PodSpec& spec);  // waits for its verdict
  base::Status DeletePod(const std::string& name);
  [[nodiscard]] ResourceCount Count(const std::string& resource);

 private:
  explicit Stage(base::EventLoop& loop) : loop_(loop) {}
  base::Status MakeNode(const std::string& profile);

  base::EventLoop& loop_;
  std::string directory_;
  std::string driver_root_ = "/";
  std::unique_ptr<Node> node_;
  std::unique_ptr<Kubelet> kubelet_;
  std::vector<pid_t> programs_;
  pid_t driver_ = 0;
  int generation_ = 0;  // of the profiles folder
};

}  // namespace tranche::sim
