// The pods of the small kubelet, what each of them goes through, and the file that keeps them while
// no kubelet runs.
//
// Threading: the loop's thread only. A record keeps its place until its pod is removed.
// Errors: none is returned. A file that is damaged or cannot be written is logged, and the kubelet
// goes on with the pods that it knows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/timer.h"
#include "sim/kubelet/kubelet.h"
#include "sim/kubelet/pod_process.h"

namespace tranche::sim {

enum class PodStage {
  kUnscheduled,  // waits until the node has what it requests
  kQueued,       // is on this node, and waits to be admitted
  kStarting,     // has been admitted; its process is not there yet
  kStarted,
  kEnded,
};

struct PodRecord {
  Pod pod;
  PodStage stage = PodStage::kUnscheduled;
  std::uint64_t order = 0;
  ProcessId process;
  std::unique_ptr<ProcessWatch> watch;
  std::unique_ptr<base::Timer> kill_timer;
  bool restarting = false;
  bool deleting = false;
  bool told_pending = false;
  std::vector<Kubelet::PodDone> waiting;  // for it to run, or not to
  std::vector<std::function<void(base::Status)>> deleted;

  // Whether its requests count on this node.
  [[nodiscard]] bool on_node() const {
    return stage != PodStage::kUnscheduled && stage != PodStage::kEnded;
  }
};

class PodTable {
 public:
  explicit PodTable(std::string file) : file_(std::move(file)) {}

  // Takes up the pods in the file, each in the stage in which its kubelet left it.
  void Load();
  void Save() const;

  // A pod in its first stage, with a UID of its own. Null where the name is taken.
  PodRecord* Add(const PodSpec& spec);
  // Null where there is none.
  PodRecord* Find(const std::string& name);
  [[nodiscard]] const PodRecord* Find(const std::string& name) const;
  PodRecord* FindUid(const std::string& uid);
  // Takes a pod that is there out of the table.
  PodRecord Remove(const std::string& name);

  // All of them, the oldest first.
  std::vector<PodRecord*> InOrder();
  [[nodiscard]] std::vector<const PodRecord*> InOrder() const;

 private:
  std::string file_;
  std::uint64_t last_order_ = 0;
  std::map<std::string, PodRecord> records_;  // by name
};

}  // namespace tranche::sim
