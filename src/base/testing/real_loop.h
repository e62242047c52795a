// A real loop and a temporary folder, for tests over real files and sockets. RunUntil returns as
// soon as the condition holds; its limit is only what a broken build waits for.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::base::testing {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "trXXXXXX").string();
    TRANCHE_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class RealLoop {
 public:
  RealLoop() : loop_(NewEpollLoop().value()) {}
  EventLoop& operator*() { return *loop_; }
  EventLoop* operator->() { return loop_.get(); }
  void Destroy() { loop_.reset(); }

  bool RunUntil(const std::function<bool()>& holds,
                std::chrono::seconds limit = std::chrono::seconds(20)) {
    const auto deadline = loop_->Now() + limit;
    while (!holds()) {
      if (loop_->Now() > deadline) return false;
      loop_->RunAfter(std::chrono::milliseconds(1), [this] { loop_->Stop(); });
      loop_->Run();
    }
    return true;
  }
  // For what must not happen: gives it the time it would need.
  void RunFor(std::chrono::milliseconds time) {
    loop_->RunAfter(time, [this] { loop_->Stop(); });
    loop_->Run();
  }

 private:
  std::unique_ptr<EventLoop> loop_;
};

inline int CountEntries(const std::string& directory) {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}
inline int OpenFiles() { return CountEntries("/proc/self/fd"); }
inline int Threads() { return CountEntries("/proc/self/task"); }

}  // namespace tranche::base::testing
