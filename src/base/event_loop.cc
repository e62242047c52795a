#include "base/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.h"

namespace tranche::base {

namespace {

class EpollLoop : public EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> New() {
    auto loop = std::make_unique<EpollLoop>();
    loop->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
    if (!loop->epoll_.valid()) return ErrnoStatus(errno, "epoll_create1");
    loop->wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!loop->wake_.valid()) return ErrnoStatus(errno, "eventfd");
    epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
    if (epoll_ctl(loop->epoll_.get(), EPOLL_CTL_ADD, loop->wake_.get(), &event) != 0) {
      return ErrnoStatus(errno, "epoll_ctl");
    }
    return std::unique_ptr<EventLoop>(std::move(loop));
  }

  void Post(Task task) override {
    bool was_empty = false;
    {
      std::lock_guard lock(mutex_);
      was_empty = posted_.empty();
      posted_.push_back(std::move(task));
    }
    if (was_empty) Wake();
  }

  TimerId RunAfter(Duration delay, Task task) override {
    const TimerId id = ++last_id_;
    const TimePoint due = Now() + std::max(delay, Duration::zero());
    timers_.emplace(std::pair(due, id), std::move(task));
    timer_due_.emplace(id, due);
    return id;
  }

  void CancelTimer(TimerId id) override {
    const auto it = timer_due_.find(id);
    if (it == timer_due_.end()) return;
    timers_.erase(std::pair(it->second, id));
    timer_due_.erase(it);
  }

  WatchId WatchFd(int fd, FdEvents events, Task task) override {
    const WatchId id = ++last_id_;
    epoll_event event{.events = events == FdEvents::kRead ? EPOLLIN : EPOLLOUT,
                      .data = {.u64 = id}};
    // A descriptor that cannot be watched is a bug of the caller's (closed, or watched twice).
    TRANCHE_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
    watches_.emplace(id, Watch{fd, std::make_shared<Task>(std::move(task))});
    return id;
  }

  void UnwatchFd(WatchId id) override {
    const auto it = watches_.find(id);
    if (it == watches_.end()) return;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.fd, nullptr);
    watches_.erase(it);
  }

  [[nodiscard]] TimePoint Now() const override { return std::chrono::steady_clock::now(); }

  void Run() override {
    stopped_ = false;
    while (!stopped_) {
      RunPosted();
      RunTimers();
      if (!stopped_) WaitForEvents();
    }
  }

  void Stop() override {
    stopped_ = true;
    Wake();
  }

 private:
  struct Watch {
    int fd;
    std::shared_ptr<Task> task;  // shared: a callback may unwatch itself while it runs
  };

  void Wake() {
    const std::uint64_t one = 1;
    // EAGAIN means the counter is full: the loop is being woken already.
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
  }

  void RunPosted() {
    std::vector<Task> tasks;
    {
      std::lock_guard lock(mutex_);
      tasks.swap(posted_);
    }
    for (Task& task : tasks) {
      task();
      task = nullptr;  // what it captured goes with it, in order
    }
  }

  void RunTimers() {
    const TimePoint now = Now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      Task task = std::move(timers_.begin()->second);
      timer_due_.erase(timers_.begin()->first.second);
      timers_.erase(timers_.begin());
      task();
    }
  }

  [[nodiscard]] int WaitMilliseconds() {
    {
      std::lock_guard lock(mutex_);
      if (!posted_.empty()) return 0;
    }
    if (timers_.empty()) return -1;
    const auto wait = timers_.begin()->first.first - Now();
    if (wait <= Duration::zero()) return 0;
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    return static_cast<int>(std::min<long>(milliseconds, INT_MAX));
  }

  void WaitForEvents() {
    std::array<epoll_event, 32> events{};
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 WaitMilliseconds());
    for (int i = 0; i < count; ++i) {
      const WatchId id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == 0) {
        std::uint64_t counter = 0;
        [[maybe_unused]] const ssize_t got = read(wake_.get(), &counter, sizeof(counter));
        continue;
      }
      const auto it = watches_.find(id);
      if (it == watches_.end()) continue;  // unwatched by an earlier callback of this round
      const std::shared_ptr<Task> task = it->second.task;
      (*task)();
    }
  }

  UniqueFd epoll_;
  UniqueFd wake_;
  std::mutex mutex_;
  std::vector<Task> posted_;  // guarded by mutex_
  std::map<std::pair<TimePoint, TimerId>, Task> timers_;
  std::unordered_map<TimerId, TimePoint> timer_due_;
  std::unordered_map<WatchId, Watch> watches_;
  std::uint64_t last_id_ = 0;
  std::atomic<bool> stopped_ = false;
};

class SignalFdWatch : public SignalWatch {
 public:
  SignalFdWatch(EventLoop& loop, UniqueFd fd, std::function<void(int)> on_signal)
      : loop_(loop), fd_(std::move(fd)), on_signal_(std::move(on_signal)) {
    watch_ = loop_.WatchFd(fd_.get(), FdEvents::kRead, [this] { Read(); });
  }
  ~SignalFdWatch() override { loop_.UnwatchFd(watch_); }

 private:
  void Read() {
    // One at a time (the loop calls again while there are more), and through a copy: the callback
    // may end this watch.
    signalfd_siginfo info{};
    if (read(fd_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) return;
    const std::function<void(int)> on_signal = on_signal_;
    on_signal(static_cast<int>(info.ssi_signo));
  }

  EventLoop& loop_;
  UniqueFd fd_;
  std::function<void(int)> on_signal_;
  EventLoop::WatchId watch_ = 0;
};

}  // namespace

Result<std::unique_ptr<EventLoop>> NewEpollLoop() { return EpollLoop::New(); }

Result<std::unique_ptr<SignalWatch>> WatchSignals(EventLoop& loop,
                                                  std::initializer_list<int> signals,
                                                  std::function<void(int)> on_signal) {
  sigset_t set;
  sigemptyset(&set);
  for (int number : signals) sigaddset(&set, number);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return ErrnoStatus(error, "blocking signals");
  }
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  return std::unique_ptr<SignalWatch>(
      std::make_unique<SignalFdWatch>(loop, std::move(fd), std::move(on_signal)));
}

}  // namespace tranche::base
