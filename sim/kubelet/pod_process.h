// A pod's one container as a local process: started with the environment it was given, in a mount
// namespace of its own where the mounts it was given are applied (where this machine permits), in a
// session of its own, so that it can outlive the kubelet.
//
// StartProcess waits for the exec (milliseconds). ProcessWatch belongs to the loop.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "kubelet/device_plugin.h"

namespace tranche::sim {

// A process that a recycled pid cannot be taken for.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, /proc/PID/stat field 22
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

enum class WhenKubeletEnds : std::uint8_t {
  kGoesOn,  // as a pod's processes on a node
  kIsKilled,
};

struct ProcessSpec {
  std::vector<std::string> command;  // looked up in PATH of `env`
  std::map<std::string, std::string> env;
  std::vector<kubelet::Mount> mounts;
  std::vector<kubelet::DeviceSpec> devices;
  std::string directory;  // exists; working directory, and place of the log "output"
  // The kubelet is the thread that calls StartProcess.
  WhenKubeletEnds when_kubelet_ends = WhenKubeletEnds::kGoesOn;
};

struct StartedProcess {
  ProcessId id;
  // One line for each mount or device that could not be put in place, and why.
  std::vector<std::string> not_applied;
};

base::Result<StartedProcess> StartProcess(const ProcessSpec& spec);

// Nothing where it has ended (a zombie has).
[[nodiscard]] bool IsAlive(const ProcessId& id);

// To the whole session; no effect where the process has ended.
void SignalProcess(const ProcessId& id, int signal_number);

// Calls `ended` once on the loop, with the wait status where the process was our child. A process
// that has already ended counts.
class ProcessWatch {
 public:
  virtual ~ProcessWatch() = default;
};
std::unique_ptr<ProcessWatch> WatchProcess(base::EventLoop& loop, const ProcessId& id,
                                           std::function<void(std::optional<int>)> ended);

}  // namespace tranche::sim
