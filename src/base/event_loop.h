// EventLoop is the one thread of a daemon: it runs timers, file descriptors, signals, and work that
// other threads post.
//
// EpollLoop is the real one; testing::FakeLoop runs in virtual time. Callbacks run one at a time
// and may add or cancel anything, themselves included. Time is the steady clock.
//
// Threading: Post() may be called on any thread. Everything else is called on the loop's own
// thread, or before Run. Callbacks run on the loop's thread.
// Errors: NewEpollLoop and WatchSignals fail where the kernel refuses a descriptor; nothing else
// fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"

namespace tranche::base {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

enum class FdEvents { kRead, kWrite };

class EventLoop {
 public:
  using Task = std::function<void()>;
  using TimerId = std::uint64_t;  // never 0
  using WatchId = std::uint64_t;  // never 0

  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  virtual ~EventLoop() = default;

  // Runs `task` on the loop's thread, in the order posted. Any thread. After the loop has gone away
  // nothing may post: the poster's owner sees to that.
  virtual void Post(Task task) = 0;

  // Runs `task` once, `delay` from now (negative counts as zero). Timers due together run in the
  // order they were set.
  virtual TimerId RunAfter(Duration delay, Task task) = 0;
  virtual void CancelTimer(TimerId id) = 0;  // unknown or fired: no effect

  // Calls `task` while `fd` is ready. The caller keeps the descriptor open until Unwatch.
  virtual WatchId WatchFd(int fd, FdEvents events, Task task) = 0;
  virtual void UnwatchFd(WatchId id) = 0;

  [[nodiscard]] virtual TimePoint Now() const = 0;

  // Runs until Stop(). A loop can be run again afterwards.
  virtual void Run() = 0;
  virtual void Stop() = 0;
};

// The real loop, on epoll. Fails where the kernel refuses a descriptor.
Result<std::unique_ptr<EventLoop>> NewEpollLoop();

// Calls `on_signal(number)` on the loop for each of `signals`, which are blocked in this thread and
// in every thread it later starts: create it first thing in main. Watching ends with the object.
class SignalWatch {
 public:
  virtual ~SignalWatch() = default;
};
Result<std::unique_ptr<SignalWatch>> WatchSignals(EventLoop& loop,
                                                  std::initializer_list<int> signals,
                                                  std::function<void(int)> on_signal);

}  // namespace tranche::base
