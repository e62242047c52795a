// A forked process for tests, and waiting for what other processes do.
//
// Threading: the test has one thread.
// Errors: what cannot go wrong in a test crashes it.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>

#include "base/status.h"

namespace tranche::sim::driver::testing {

// Waits for what must come; the limit only ends a test that hangs.
inline bool Comes(const std::function<bool()>& condition) {
  for (int i = 0; i < 30'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

class Process {
 public:
  explicit Process(const std::function<int()>& body) {
    std::fflush(nullptr);  // else the child writes again what is held back
    pid_ = fork();
    TRANCHE_CHECK(pid_ >= 0);
    if (pid_ == 0) _exit(body());
  }
  ~Process() {
    if (pid_ > 0) End(SIGKILL);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int End(int signal_number) {
    kill(pid_, signal_number);
    return Wait();
  }
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

}  // namespace tranche::sim::driver::testing
