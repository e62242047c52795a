// DemoDriver is what the driver of the demo's simulated node says of programs, in its accounts and
// in its log: the demo's judge, which no agent and no library in a pod has a say in.
//
// Threading: the stage's thread.
// Errors: a Status that says what it does not tell.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace tranche::sim {
class Stage;
}

namespace tranche::cli::node {

class DemoDriver {
 public:
  explicit DemoDriver(tranche::sim::Stage& stage) : stage_(stage) {}

  // What the processes of each pod have computed, in nanoseconds of the driver's time; pods by
  // name, with the leader of each one's session.
  base::Result<std::map<std::string, double>> Computed(const std::map<std::string, pid_t>& pods);
  // The last refusal of its log; and how many refusals that has of a process.
  base::Result<base::Json> LastRefusal();
  base::Result<std::size_t> Refusals(pid_t pid);
  // The most bytes that a process ever had at one time, its contexts included, by the log.
  base::Result<std::int64_t> MostHeld(pid_t pid);

 private:
  // The accounts of this moment.
  base::Result<base::Json> Accounts();
  // The log's lines up to now that have this in them.
  base::Result<std::vector<base::Json>> Lines(const std::string& part);

  tranche::sim::Stage& stage_;
};

}  // namespace tranche::cli::node
