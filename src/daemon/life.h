// The life of a program on its loop: it begins, runs until somebody ends it, and has an exit
// status.
//
// Threading: the loop's thread.
// Errors: none.
#pragma once

#include <functional>
#include <string>

#include "base/event_loop.h"

namespace tranche::daemon {

class Life {
 public:
  explicit Life(base::EventLoop& loop) : loop_(loop) {}
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // Runs `begin` on the loop and then the loop, until End; the exit status. Call once.
  int Run(const std::string& version, std::function<void()> begin);
  // The first call decides.
  void End(int exit_status);
  [[nodiscard]] bool ending() const { return ending_; }

 private:
  base::EventLoop& loop_;
  bool ending_ = false;
  int exit_status_ = 0;
};

// Makes a loop, has `on_signal` called on it for SIGHUP, SIGINT, SIGTERM, SIGQUIT and SIGUSR1, and
// calls `use`, which says where signals go, runs the loop, and gives the exit status. Nothing is
// left of the loop afterwards. A write to a closed pipe or past a file size limit becomes an error
// to handle. 1, with a message in the log, where the kernel refuses what a loop needs.
int RunOnLoop(
    const std::function<int(base::EventLoop& loop, std::function<void(int)>& on_signal)>& use);

}  // namespace tranche::daemon
