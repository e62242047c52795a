// PodGroups makes control groups for the demo's pods, named as the kubelet names those of pods:
// pods of the small kubelet are no containers, and `tranche node` knows whose a process is by its
// control group alone.
//
// Threading: the stage's thread.
// Errors: a Status. Remove, and destruction, do what can be done: a group is there for as long as a
// process is in it.
#pragma once

#include <cstddef>
#include <string>

#include "base/file.h"
#include "base/status.h"

namespace tranche::sim {
class Stage;
}

namespace tranche::cli::node {

struct PodGroup {
  std::string uid;           // of the pod
  std::string container_id;  // of its one container
  std::string enter;         // a shell command: this shell enters the group, or ends
};

// A demo's own group below a tree of control groups. It holds a lock on it as long as it lives.
struct DemoGroup {
  std::string folder;
  base::UniqueFd lock;
};
// kUnavailable: none can be made there. Removes those that demos have left which were killed.
base::Result<DemoGroup> MakeDemoGroup(const std::string& tree);

class PodGroups {
 public:
  explicit PodGroups(tranche::sim::Stage& stage) : stage_(stage) {}
  ~PodGroups() { Remove(); }
  PodGroups(const PodGroups&) = delete;
  PodGroups& operator=(const PodGroups&) = delete;

  // Why there can be none on this machine; "" where there can.
  [[nodiscard]] static std::string WhyNot();

  base::Status Make();
  // Of the pod with this number, from 1.
  base::Result<PodGroup> Add(std::size_t number);
  void Remove();

 private:
  tranche::sim::Stage& stage_;
  DemoGroup group_;  // without a folder where there is none
};

}  // namespace tranche::cli::node
