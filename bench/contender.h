// One of the two plugins, run on a stage as on a node and measured from the kubelet's side: both
// get the same environment, arguments, requests and kubelet.
//
// On the stage's thread. A Status that is not OK ends the measurement; it ends with what the
// program said last.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "sim/kubelet/plugin_client.h"
#include "sim/stage/stage.h"

namespace tranche::bench {

struct Program {
  std::string who;   // a key of the results
  std::string path;  // its argv[0] is nvidia-device-plugin
  // NVIDIA's reads its file only when told; ours sees the edit.
  bool needs_signal = false;
  int gpus = 0;  // of the stage's node
};

struct Memory {  // of a process and its descendants, in MiB
  double pss = 0;
  double anonymous = 0;
};

struct ListSent {
  double milliseconds = 0;
  double bytes = 0;
};

// Runs the stage's loop until `condition`, which only changes in callbacks that stop the loop.
bool RunUntil(sim::Stage& stage, const std::function<bool()>& condition);

// Times a call to `socket_path`; microseconds.
base::Result<double> TimePreferred(sim::Stage& stage, sim::PluginClient& client,
                                   const std::vector<std::string>& available, int size,
                                   bool checked);

class Contender {
 public:
  // A kubelet of its own, and the program: from exec to the device list in the kubelet.
  static base::Result<std::unique_ptr<Contender>> Start(sim::Stage& stage, const Program& program,
                                                        int replicas);
  ~Contender();
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  [[nodiscard]] double start_milliseconds() const { return start_milliseconds_; }
  // What of it the program itself computed, on all its threads: hardly moved by a busy machine.
  [[nodiscard]] double start_cpu_milliseconds() const { return start_cpu_milliseconds_; }
  [[nodiscard]] sim::PluginClient& client() { return *client_; }
  [[nodiscard]] std::vector<std::string> Ids() const;

  // From the edit of the config file to the new count in the kubelet's device manager.
  base::Result<double> Edit(int replicas);
  base::Result<double> TimeAllocate(const std::string& id);  // microseconds
  // On a stream of its own: from the call to the whole list.
  base::Result<ListSent> TimeList();
  base::Result<Memory> MeasureMemory();  // after a second of rest

 private:
  Contender(sim::Stage& stage, Program program) : stage_(stage), program_(std::move(program)) {}
  base::Status Write(int replicas);
  base::Status AwaitDevices(std::int64_t count);
  base::Status Failed(const std::string& what) const;
  void Connect();

  sim::Stage& stage_;
  Program program_;
  pid_t pid_ = -1;
  double start_milliseconds_ = 0;
  double start_cpu_milliseconds_ = 0;
  std::string endpoint_;
  std::unique_ptr<sim::PluginClient> client_;
  std::int64_t wanted_ = 0;
  std::optional<base::TimePoint> reached_;  // when the kubelet first had `wanted_` devices
};

}  // namespace tranche::bench
