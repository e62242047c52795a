#include "base/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/weak_runner.h"

namespace tranche::base {

namespace {

constexpr std::uint32_t kNameEvents =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
// How soon a missing or replaced directory is looked for again.
constexpr auto kRearmDelay = std::chrono::milliseconds(200);

class InotifyWatch : public DirectoryWatch {
 public:
  InotifyWatch(EventLoop& loop, std::string directory, std::function<void()> changed,
               Duration poll_every, DirectoryNews news, DirectoryLooks looks)
      : loop_(loop),
        directory_(std::move(directory)),
        changed_(std::move(changed)),
        poll_every_(poll_every),
        events_(IN_ONLYDIR | kNameEvents | (news == DirectoryNews::kAll ? IN_CLOSE_WRITE : 0U)),
        looks_(std::move(looks)),
        fd_(std::make_shared<UniqueFd>(inotify_init1(IN_CLOEXEC | IN_NONBLOCK))),
        poll_timer_(loop),
        rearm_timer_(loop),
        runner_(loop) {
    if (fd_->valid()) {
      watch_ = loop_.WatchFd(fd_->get(), FdEvents::kRead, [this] { ReadEvents(); });
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
    if (fd_->valid()) loop_.UnwatchFd(watch_);
  }

  void CatchUp() override {
    if (fd_->valid()) ReadEvents();
  }

 private:
  // Watches what is at the path now: for the same directory the kernel gives the same descriptor.
  void WatchPath() {
    if (looking_) return;
    rearm_timer_.Stop();
    const auto descriptor = std::make_shared<int>(-1);
    const auto look = [fd = fd_, directory = directory_, events = events_, descriptor] {
      *descriptor = inotify_add_watch(fd->get(), directory.c_str(), events);
    };
    looking_ = true;
    late_ = false;
    Status taken;
    if (looks_) {
      taken = looks_(look, runner_.Wrap([this, descriptor] { Watched(*descriptor); }));
    } else {
      look();
      Watched(*descriptor);
    }
    late_ = looking_;
    if (taken.ok()) return;
    looking_ = false;
    Rearm();
  }

  void Watched(int descriptor) {
    looking_ = false;
    const int before = std::exchange(descriptor_, descriptor);
    // Of a directory that was moved away; a removed one's is gone already.
    if (before >= 0 && before != descriptor_) inotify_rm_watch(fd_->get(), before);
    if (descriptor_ < 0) return Rearm();
    // What has happened until now was not heard of.
    if (std::exchange(rearms_, false) || late_) NotifyChanged();
  }

  void Rearm() {
    rearm_timer_.Start(kRearmDelay, [this] {
      rearms_ = true;
      WatchPath();
    });
  }

  // A copy is called, because the callback may end this watch.
  void NotifyChanged() {
    const std::function<void()> changed = changed_;
    changed();
  }

  void ReadEvents() {
    alignas(inotify_event) std::array<char, 16U << 10U> buffer;
    bool any = false;
    bool gone = false;
    for (;;) {
      const ssize_t got = read(fd_->get(), buffer.data(), buffer.size());
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
    const auto alive = runner_.AliveCheck();
    if (gone) WatchPath();
    if (any && alive()) NotifyChanged();
  }

  void SchedulePoll() {
    poll_timer_.Start(poll_every_, [this] {
      SchedulePoll();
      // A parent that was replaced sends no event.
      const auto alive = runner_.AliveCheck();
      if (fd_->valid()) WatchPath();
      if (alive()) NotifyChanged();
    });
  }

  EventLoop& loop_;
  std::string directory_;
  std::function<void()> changed_;
  Duration poll_every_;
  const std::uint32_t events_;
  const DirectoryLooks looks_;
  const std::shared_ptr<UniqueFd> fd_;  // a look that hangs has it too
  EventLoop::WatchId watch_ = 0;
  int descriptor_ = -1;
  bool looking_ = false;
  bool late_ = false;    // the look under way, or the last one, did not come back at once
  bool rearms_ = false;  // the directory was not there at the last look
  Timer poll_timer_;
  Timer rearm_timer_;
  WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

std::unique_ptr<DirectoryWatch> WatchDirectory(EventLoop& loop, std::string directory,
                                               std::function<void()> changed, Duration poll_every,
                                               DirectoryNews news, DirectoryLooks looks) {
  return std::make_unique<InotifyWatch>(loop, std::move(directory), std::move(changed), poll_every,
                                        news, std::move(looks));
}

}  // namespace tranche::base
