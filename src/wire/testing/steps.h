// A program that is taken through what is tested one instruction after the other, by a debugger's
// single step, so that it can be looked at and killed at each of them. For tests of what a killed
// program leaves in memory that it shares with others.
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>

#include "wire/testing/page_memory.h"

namespace tranche::wire::testing {

class SteppedProgram {
 public:
  using Act = std::function<void()>;

  // A child that has done `before` and has not begun with `act`.
  SteppedProgram(const Act& before, const Act& act) {
    pid_ = fork();
    if (pid_ == 0) Run(before, act);
    steps_ = Stopped();
  }
  SteppedProgram(const SteppedProgram&) = delete;
  SteppedProgram& operator=(const SteppedProgram&) = delete;
  ~SteppedProgram() { Kill(); }

  // Goes on to the next instruction of the act; false where it is through, or cannot be stepped.
  bool Step() {
    while (steps_ && phase_->load() != kThrough) {
      steps_ = ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) == 0 && Stopped();
      if (phase_->load() == kInside) return steps_;
    }
    return false;
  }
  [[nodiscard]] bool through() const { return steps_ && phase_->load() == kThrough; }
  void Kill() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  enum Phase : int { kBefore, kInside, kThrough };

  [[noreturn]] void Run(const Act& before, const Act& act) {
    before();
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    phase_->store(kInside);
    act();
    phase_->store(kThrough);
    for (;;) pause();
  }
  [[nodiscard]] bool Stopped() const {
    int status = 0;
    return waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status);
  }

  Shared<std::atomic<int>> phase_;
  pid_t pid_ = 0;
  bool steps_ = false;
};

}  // namespace tranche::wire::testing
