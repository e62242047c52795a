// Processes to be signalled: a folder like /proc with entries of our own, and a child that tells of
// its signal by its end.
//
// Threading: any.
// Errors: a system call that fails ends the test.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/status.h"

namespace tranche::configmanager::testing {

inline void Write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

// A process `pid` in a folder that is like /proc.
inline void AddProcess(const std::string& proc, pid_t pid, const std::string& command_line) {
  Write(proc + "/" + std::to_string(pid) + "/cmdline", command_line);
}

// A child that ends at the first SIGHUP, with status 7.
class Child {
 public:
  Child() {
    std::array<int, 2> ready{};
    TRANCHE_CHECK(pipe(ready.data()) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      std::signal(SIGHUP, [](int) { _exit(7); });
      TRANCHE_CHECK(write(ready[1], "r", 1) == 1);
      for (;;) pause();
    }
    char byte = 0;
    TRANCHE_CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for it to end of the signal.
  bool GotSignal() {
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_) return false;
    pid_ = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  bool Runs() { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  pid_t pid_ = 0;
};

}  // namespace tranche::configmanager::testing
