// A real loop that hears of the ends of processes late: while they are held, whoever watches a
// pidfd is told nothing, and all else goes on. So what happens between a process's end and the
// news of it is forced, and not left to chance.
//
// Threading: loop thread only, but for Post.
// Errors: as of the loop behind it.
#pragma once

#include <limits.h>
#include <unistd.h>

#include <map>
#include <string>
#include <utility>

#include "base/event_loop.h"

namespace tranche::node::walls::testing {

class HeldEndsLoop : public base::EventLoop {
 public:
  explicit HeldEndsLoop(base::EventLoop& real) : real_(real) {}

  // What is watched already is held as well.
  void HoldEnds() {
    held_ = true;
    for (auto& [id, end] : ends_) Pause(end);
  }
  void TellEnds() {
    held_ = false;
    for (auto& [id, end] : ends_) Resume(end);
  }

  void Post(Task task) override { real_.Post(std::move(task)); }
  TimerId RunAfter(base::Duration delay, Task task) override {
    return real_.RunAfter(delay, std::move(task));
  }
  void CancelTimer(TimerId id) override { real_.CancelTimer(id); }
  WatchId WatchFd(int fd, base::FdEvents events, Task task) override {
    if (!IsProcess(fd)) return real_.WatchFd(fd, events, std::move(task));
    const WatchId id = next_id_++;
    End& end = ends_[id];
    end = {.fd = fd, .events = events, .task = std::move(task), .real = 0};
    if (!held_) Resume(end);
    return id;
  }
  void UnwatchFd(WatchId id) override {
    const auto at = ends_.find(id);
    if (at == ends_.end()) return real_.UnwatchFd(id);
    Pause(at->second);
    ends_.erase(at);
  }
  [[nodiscard]] base::TimePoint Now() const override { return real_.Now(); }
  void Run() override { real_.Run(); }
  void Stop() override { real_.Stop(); }

 private:
  struct End {
    int fd = -1;
    base::FdEvents events = base::FdEvents::kRead;
    Task task;
    WatchId real = 0;
  };

  // "anon_inode:[pidfd]", or a file of pidfs.
  static bool IsProcess(int fd) {
    char target[PATH_MAX] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t length = readlink(link.c_str(), target, sizeof target - 1);
    return length > 0 && std::string(target).find("pidfd") != std::string::npos;
  }
  void Pause(End& end) {
    if (end.real != 0) real_.UnwatchFd(end.real);
    end.real = 0;
  }
  void Resume(End& end) {
    if (end.real == 0) end.real = real_.WatchFd(end.fd, end.events, end.task);
  }

  base::EventLoop& real_;
  bool held_ = false;
  std::map<WatchId, End> ends_;
  WatchId next_id_ = WatchId{1} << 62U;  // above all that the real loop gives
};

}  // namespace tranche::node::walls::testing
