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
  // Ends the loop. Of several calls the first one says the exit status.
  void End(int exit_status);
  [[nodiscard]] bool ending() const { return ending_; }

 private:
  base::EventLoop& loop_;
  bool ending_ = false;
  int exit_status_ = 0;
};

// Makes a loop and calls `use`, which sets `on_signal`, runs the loop, and returns the exit status.
// `on_signal` is called on the loop for SIGHUP, SIGINT, SIGTERM, SIGQUIT and SIGUSR1. A write to a
// closed pipe, or past the limit of a file's size, becomes an error instead of a signal. Nothing is
// left of the loop afterwards. 1, with a line in the log, where the kernel refuses what a loop
// needs.
int RunOnLoop(
    const std::function<int(base::EventLoop& loop, std::function<void(int)>& on_signal)>& use);

}  // namespace tranche::daemon
