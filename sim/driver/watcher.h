// Watcher is a small process beside the driver that outlives it for a moment: when the driver has
// ended without being told to, it says so in the node's state and takes the driver's processes out
// of it.
//
// Threading: start it while this process has one thread.
// Errors: where it cannot be started, or is killed as well, the next driver of the node does its
// work.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"

namespace tranche::sim::driver {

class Watcher {
 public:
  static base::Result<std::unique_ptr<Watcher>> Start(const std::string& state_path);
  ~Watcher();  // it ends without doing anything
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  Watcher(base::UniqueFd pipe, int pid) : pipe_(std::move(pipe)), pid_(pid) {}

  base::UniqueFd pipe_;
  int pid_;
};

}  // namespace tranche::sim::driver
