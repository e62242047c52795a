// DemoGpu puts pods that compute on one GPU of the demo's simulated node, by way of its kubelet.
//
// Threading: the stage's thread.
// Errors: a Status that says what did not happen as told. Destruction ends nothing: see EndAll.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "sim/node/state.h"

namespace tranche::sim {
class Stage;
}

namespace tranche::cli::node {

base::Status NotAsTold(const std::string& what);

struct DemoPod {
  std::string name;
  std::string workload;     // with its options
  std::string before = {};  // shell commands that are done first
  // A program that is given the workload's command line and becomes it: "" for none.
  std::string through = {};
  std::string output = {};  // the file that gets what the workload prints; "": the pod's log
};

class DemoGpu {
 public:
  // Pods are given replicas of the GPU as `resource`.
  DemoGpu(tranche::sim::Stage& stage, std::string resource, std::string uuid);

  // Finds the GPU and the workloads' program, and ends the pods that hold some of the GPU.
  base::Status MakeRoom();

  // A pod with one replica of our GPU, which runs a workload. Where the kubelet is given another
  // GPU, a pod that does nothing takes that one, until it is ours.
  base::Status Start(const DemoPod& pod);
  base::Status EndAll();

  [[nodiscard]] tranche::sim::GpuState State() const;
  // By name; the pod's process leads its session.
  [[nodiscard]] const std::map<std::string, pid_t>& pods() const { return pods_; }
  [[nodiscard]] const std::string& uuid() const { return uuid_; }

 private:
  tranche::sim::Stage& stage_;
  const std::string resource_;
  const std::string uuid_;
  std::string program_;
  std::size_t slot_ = 0;
  std::map<std::string, pid_t> pods_;
  std::vector<std::string> aside_;
};

}  // namespace tranche::cli::node
