// A real loop, for tests over real files and sockets.
//
// RunUntil returns as soon as the condition holds; its limit is only what a broken build waits for.
//
// Threading: loop thread only.
// Errors: crashes where there is no loop to be had.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/testing/temp_dir.h"

namespace tranche::base::testing {

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
