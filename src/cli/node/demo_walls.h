// The demo's chapter on memory walls: the greed of the chapter before, after one line in the
// profile. A pod that asks for ever more memory is refused it at its wall and goes on, its
// neighbour gets its own, and an annotation raises the limit of the greedy one while it runs.
//
// The library that holds walls comes into the pods by way of the agent's answers, the CDI file of
// `tranche node` and tranche-hook, as on a node. What stands in for others: PodNames for the API
// server, demo_runtime.h for the container runtime. The driver's log judges.
//
// Threading: the stage's thread.
// Errors: a Status that says what did not happen as told. Destruction ends the pods and
// `tranche node`, and removes the groups, as far as that can be done.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "cli/node/demo_driver.h"
#include "cli/node/demo_gpu.h"
#include "cli/node/demo_groups.h"

namespace tranche::sim {
class PodNames;
class Stage;
}  // namespace tranche::sim

namespace tranche::cli::top {
class Asker;
}

namespace tranche::cli::node {

class WallsChapter {
 public:
  struct Teller {
    std::function<void(const std::string&)> say;
    // The default profile with a line more; "": as it is.
    std::function<std::string(const std::string&)> profile_with;
    std::function<base::Status(const std::string&)> put_in_force;
  };

  // Why the chapter cannot be told on this machine; "" where it can.
  [[nodiscard]] static std::string WhyNot();

  WallsChapter(tranche::sim::Stage& stage, const std::string& resource, const std::string& uuid,
               Teller teller);
  ~WallsChapter();
  WallsChapter(const WallsChapter&) = delete;
  WallsChapter& operator=(const WallsChapter&) = delete;

  base::Status Show();

 private:
  base::Status AskForWalls();
  base::Status StartNode(const std::string& profile);
  base::Status StartPod(std::size_t number, const std::string& name, const std::string& workload);
  base::Status MeetTheWall();
  base::Status LeaveTheNeighbour();
  base::Status RaiseTheLimit();
  base::Status Judge();

  // Whether `condition` holds of what `tranche node` says, before long.
  bool NodeSays(const std::function<bool(const base::Json&)>& condition);
  // What it says of the greedy pod's wall.
  [[nodiscard]] const base::Json& Wall(const base::Json& node) const;
  // What the driver shows that a pod has.
  [[nodiscard]] std::int64_t Held(const std::string& name) const;
  [[nodiscard]] bool IsFull(std::int64_t limit) const;  // the greedy pod, below that limit
  // OK where the pod's process has computed since the last look, by the driver's account.
  base::Status GoesOn(const std::string& name);
  [[nodiscard]] std::string Output(const std::string& name) const;
  base::Result<base::Json> EndAndRead(const std::string& name);
  void Bar(const std::string& name, const std::string& text) const;

  tranche::sim::Stage& stage_;
  DemoDriver driver_;
  DemoGpu gpu_;
  PodGroups groups_;
  const Teller teller_;
  std::unique_ptr<tranche::sim::PodNames> names_;
  std::unique_ptr<top::Asker> asker_;
  base::Json said_;  // by tranche node, last
  pid_t node_ = 0;
  std::int64_t piece_ = 0;    // what the greedy pod asks for at a time
  std::int64_t granted_ = 0;  // the greedy pod's limit at first, and as raised
  std::int64_t raised_ = 0;
  std::int64_t most_ = 0;  // bytes that it had at most below the first limit
};

}  // namespace tranche::cli::node
