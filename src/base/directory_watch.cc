#include "base/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"

namespace tranche::base {

namespace {

constexpr std::uint32_t kNameEvents =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
// How soon a missing or replaced directory is looked for again.
constexpr auto kRearmDelay = std::chrono::milliseconds(200);

class InotifyWatch : public DirectoryWatch {
 public:
  InotifyWatch(EventLoop& loop, std::string directory, std::function<void()> changed,
               Duration poll_every, DirectoryNews news)
      : loop_(loop),
        directory_(std::move(directory)),
        changed_(std::move(changed)),
        poll_every_(poll_every),
        events_(IN_ONLYDIR | kNameEvents | (news == DirectoryNews::kAll ? IN_CLOSE_WRITE : 0U)),
        fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        poll_timer_(loop),
        rearm_timer_(loop) {
    if (fd_.valid()) {
      watch_ = loop_.WatchFd(fd_.get(), FdEvents::kRead, [this] { ReadEvents(); });
      WatchPath();
    } else {
      // Out of inotify instances: the poll below still finds every change, only later.
      LogWarning(
          "cannot watch a directory, polling it instead",
          {Kv("directory", directory_), Kv("error", ErrnoStatus(errno, "inotify").message())});
    }
    SchedulePoll();
  }

  ~InotifyWatch() override {
    if (fd_.valid()) loop_.UnwatchFd(watch_);
  }

  void CatchUp() override {
    if (fd_.valid()) ReadEvents();
  }

 private:
  // Watches what is at the path now: for the same directory the kernel gives the same descriptor.
  void WatchPath() {
    rearm_timer_.Stop();
    const int before = descriptor_;
    descriptor_ = inotify_add_watch(fd_.get(), directory_.c_str(), events_);
    // Of a directory that was moved away; a removed one's is gone already.
    if (before >= 0 && before != descriptor_) inotify_rm_watch(fd_.get(), before);
    if (descriptor_ < 0) {
      rearm_timer_.Start(kRearmDelay, [this] {
        WatchPath();
        if (descriptor_ >= 0) NotifyChanged();
      });
    }
  }

  // A copy is called, because the callback may end this watch.
  void NotifyChanged() {
    const std::function<void()> changed = changed_;
    changed();
  }

  void ReadEvents() {
    alignas(inotify_event) std::array<char, 16U << 10U> buffer{};
    bool any = false;
    bool gone = false;
    for (;;) {
      const ssize_t got = read(fd_.get(), buffer.data(), buffer.size());
      if (got <= 0) break;
      any = true;
      for (ssize_t at = 0; at < got;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        // A late event of a directory that is no longer watched does not concern the present one.
        if (event->wd == descriptor_ &&
            (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) {
          gone = true;
        }
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    if (gone) WatchPath();
    if (any) NotifyChanged();
  }

  void SchedulePoll() {
    poll_timer_.Start(poll_every_, [this] {
      SchedulePoll();
      // A parent that was replaced sends no event.
      if (fd_.valid()) WatchPath();
      NotifyChanged();
    });
  }

  EventLoop& loop_;
  std::string directory_;
  std::function<void()> changed_;
  Duration poll_every_;
  const std::uint32_t events_;
  UniqueFd fd_;
  EventLoop::WatchId watch_ = 0;
  int descriptor_ = -1;
  Timer poll_timer_;
  Timer rearm_timer_;
};

}  // namespace

std::unique_ptr<DirectoryWatch> WatchDirectory(EventLoop& loop, std::string directory,
                                               std::function<void()> changed, Duration poll_every,
                                               DirectoryNews news) {
  return std::make_unique<InotifyWatch>(loop, std::move(directory), std::move(changed), poll_every,
                                        news);
}

}  // namespace tranche::base
