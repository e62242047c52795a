// A timer that belongs to an object: it ends with that object, and only one task waits in it.
//
// Threading: loop thread only. The loop outlives the timer.
// Errors: none.
#pragma once

#include <utility>

#include "base/event_loop.h"

namespace tranche::base {

class Timer {
 public:
  explicit Timer(EventLoop& loop) : loop_(loop) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { Stop(); }

  // Runs `task` once, `delay` from now (a negative delay counts as zero). A task that still waits
  // is replaced. The task may start, stop or destroy this timer.
  void Start(Duration delay, EventLoop::Task task) {
    Stop();
    id_ = loop_.RunAfter(delay, [this, task = std::move(task)] {
      id_ = 0;
      task();
    });
  }

  // The task that waits does not run any more. Stopping a stopped timer has no effect.
  void Stop() {
    if (id_ != 0) loop_.CancelTimer(std::exchange(id_, 0));
  }

  // Whether a task waits. False while the task itself runs, unless it has started the timer again.
  [[nodiscard]] bool running() const { return id_ != 0; }

 private:
  EventLoop& loop_;
  EventLoop::TimerId id_ = 0;
};

}  // namespace tranche::base
