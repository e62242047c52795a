// A real loop whose clock stands until it is told to go on: so what is judged by a time does not
// depend on how busy the machine is. Timers go by the real clock.
#pragma once

#include <utility>

#include "base/event_loop.h"

namespace tranche::node::walls::testing {

class StillLoop : public base::EventLoop {
 public:
  explicit StillLoop(base::EventLoop& real) : real_(real), now_(real.Now()) {}

  void Advance(base::Duration time) { now_ += time; }

  void Post(Task task) override { real_.Post(std::move(task)); }
  TimerId RunAfter(base::Duration delay, Task task) override {
    return real_.RunAfter(delay, std::move(task));
  }
  void CancelTimer(TimerId id) override { real_.CancelTimer(id); }
  WatchId WatchFd(int fd, base::FdEvents events, Task task) override {
    return real_.WatchFd(fd, events, std::move(task));
  }
  void UnwatchFd(WatchId id) override { real_.UnwatchFd(id); }
  [[nodiscard]] base::TimePoint Now() const override { return now_; }
  void Run() override { real_.Run(); }
  void Stop() override { real_.Stop(); }

 private:
  base::EventLoop& real_;
  base::TimePoint now_;
};

}  // namespace tranche::node::walls::testing
