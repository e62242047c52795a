// An EventLoop in virtual time, for tests: nothing runs until AdvanceBy or RunPosted says so.
//
// Time is virtual, descriptors are real: one that is ready at that moment (an inotify event of a
// file that the test has just written) is served at once, and none is waited for.
//
// Threading: one thread, but Post, which is for any.
// Errors: none.
#pragma once

#include <poll.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/event_loop.h"

namespace tranche::base::testing {

class FakeLoop : public EventLoop {
 public:
  void Post(Task task) override {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  TimerId RunAfter(Duration delay, Task task) override {
    const TimerId id = ++last_id_;
    timers_.emplace(std::pair(now_ + std::max(delay, Duration::zero()), id), std::move(task));
    return id;
  }
  void CancelTimer(TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  WatchId WatchFd(int fd, FdEvents events, Task task) override {
    const short wanted = events == FdEvents::kRead ? POLLIN : POLLOUT;
    watches_.emplace(++last_id_, Watch{.fd = fd, .events = wanted, .task = std::move(task)});
    return last_id_;
  }
  void UnwatchFd(WatchId id) override { watches_.erase(id); }
  [[nodiscard]] TimePoint Now() const override { return now_; }
  // Runs the test's script, where there is one, after what was posted.
  void Run() override {
    RunPosted();
    if (const Task script = std::exchange(script_, nullptr)) script();
  }
  void Stop() override { ++stops_; }

  // For programs that run the loop themselves: what happens while it runs. It ends with the script,
  // which asks stops() whether somebody would have ended it by then.
  void SetScript(Task script) { script_ = std::move(script); }
  [[nodiscard]] int stops() const { return stops_; }

  // Runs what was posted and what waits on a ready descriptor, and what that posts, until there is
  // nothing more.
  void RunPosted() {
    for (;;) {
      std::vector<Task> tasks;
      {
        std::lock_guard lock(mutex_);
        tasks.swap(posted_);
      }
      for (Task& task : tasks) task();
      const bool served = ServeReadyDescriptor();
      if (tasks.empty() && !served) return;
    }
  }

  // Moves time on, running timers in the order they are due and posted work in between.
  void AdvanceBy(Duration step) {
    const TimePoint end = now_ + step;
    RunPosted();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      now_ = timers_.begin()->first.first;
      Task task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      task();
      RunPosted();
    }
    now_ = end;
  }

  [[nodiscard]] std::size_t timer_count() const { return timers_.size(); }

 private:
  struct Watch {
    int fd;
    short events;
    Task task;
  };

  // One at a time: its task may end any watch.
  bool ServeReadyDescriptor() {
    for (const auto& [id, watch] : watches_) {
      pollfd ready{.fd = watch.fd, .events = watch.events, .revents = 0};
      if (poll(&ready, 1, 0) != 1 || (ready.revents & watch.events) == 0) continue;
      const Task task = watch.task;
      task();
      return true;
    }
    return false;
  }

  std::mutex mutex_;
  std::map<WatchId, Watch> watches_;
  std::vector<Task> posted_;
  std::map<std::pair<TimePoint, TimerId>, Task> timers_;
  Task script_;
  int stops_ = 0;
  TimePoint now_{std::chrono::hours(1)};
  TimerId last_id_ = 0;
};

}  // namespace tranche::base::testing
