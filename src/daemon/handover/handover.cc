#include "daemon/handover/handover.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/directory_watch.h"
#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/weak_runner.h"

namespace tranche::daemon::handover {

namespace {

using base::ErrnoStatus;
using base::Kv;
using base::Result;
using base::SameFile;
using base::Status;
using base::UniqueFd;

// How long a lock that has come free may go unnoticed: the kernel tells nobody.
constexpr auto kLockRetry = std::chrono::milliseconds(50);
// How soon an announcement that could not be written is tried again.
constexpr auto kWriteRetry = std::chrono::milliseconds(1000);
// inotify is only a hint: where it misses a change, an incumbent leaves this much later.
constexpr auto kPollEvery = std::chrono::seconds(2);

class FlockHandover : public Handover {
 public:
  FlockHandover(base::EventLoop& loop, const std::string& directory, AgentIdentity self,
                Owner owner)
      : loop_(loop),
        lock_path_(base::JoinPath(directory, kLockName)),
        announcement_path_(base::JoinPath(directory, kAnnouncementName)),
        self_(HandoverNote::Now(std::move(self))),
        owner_(std::move(owner)),
        retry_timer_(loop),
        runner_(loop) {
    status_ = base::MakeDirectories(directory);
    if (status_.ok()) RemoveLeftovers(directory);
    if (status_.ok()) status_ = TryLock();
    if (!status_.ok()) {
      incumbent_ = true;
      base::LogWarning("cannot take the handover lock, working without",
                       {Kv("error", status_.message())});
      return;
    }
    watch_ = base::WatchDirectory(
        loop_, directory, [this] { Look(); }, kPollEvery);
    if (!incumbent_) ScheduleRetry();
  }

  [[nodiscard]] bool incumbent() const override { return incumbent_; }
  [[nodiscard]] std::optional<AgentIdentity> predecessor() const override { return predecessor_; }
  [[nodiscard]] const Status& status() const override { return status_; }
  [[nodiscard]] bool successor_serving() const override { return NewerAnnouncement().has_value(); }

  void TakeLockIfFree() override {
    if (watch_ != nullptr) Look();
  }

  void Announce() override {
    if (std::exchange(serving_, true) || watch_ == nullptr) return;
    Look();
    if (!retry_timer_.running() && !yielded_ && !Announced()) ScheduleRetry();
  }

  void Leave() override {
    self_.leaving = true;
    for (const auto& [fd, path] : {std::pair(lock_note_.get(), &lock_path_),
                                   std::pair(announcement_.get(), &announcement_path_)}) {
      if (fd < 0) continue;
      if (Status written = WriteNote(fd, self_, *path); !written.ok()) {
        base::LogWarning("cannot say that this agent leaves", {Kv("error", written.message())});
      }
    }
  }

 private:
  // Takes agent.lock when it is free. Not OK: it cannot be had at all.
  Status TryLock() {
    // Not for writing: closed again, that would be news to every watch of the directory, our own
    // among them, which looks, and opens it again, without end.
    UniqueFd fd(
        open(lock_path_.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd.valid()) return ErrnoStatus(errno, "open " + lock_path_);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock " + lock_path_);
      Consider(HolderOf(fd.get()));
      return Status::Ok();
    }
    // Removed between open and lock: someone else may hold its successor by that name.
    if (!SameFile(fd.get(), lock_path_)) return Status::Ok();
    lock_ = std::move(fd);
    incumbent_ = true;
    status_ = Status::Ok();
    WriteIntoLock();
    return Status::Ok();
  }

  // Where that fails only our name is lost: the lock holds on a full disk too. What is opened for
  // writing here stays open: when it is closed, however this process ends, whoever waits for the
  // lock hears of it at once.
  void WriteIntoLock() {
    lock_note_ = UniqueFd(open(lock_path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    Status written = ErrnoStatus(errno, "open " + lock_path_);
    if (lock_note_.valid()) {
      // Another agent may have removed our file and made its own, which is not ours to write into.
      if (!SameFile(lock_note_.get(), lock_path_) || !SameFile(lock_.get(), lock_path_)) {
        lock_note_ = UniqueFd();
        return;
      }
      written = WriteNote(lock_note_.get(), self_, lock_path_);
    }
    if (!written.ok()) {
      base::LogWarning("cannot write into the handover lock", {Kv("error", written.message())});
    }
  }

  // The lock is held by another.
  void Consider(const Holder& holder) {
    if (holder.kind != Holder::Kind::kNoAgent) {
      foreign_since_.reset();
      if (holder.kind != Holder::Kind::kAgent || lock_.valid()) return;
      // Without the lock it is the incumbent only as long as no agent has it.
      incumbent_ = false;
      status_ = Status::Ok();
      if (!predecessor_) predecessor_ = holder.note.identity;
      return;
    }
    const base::TimePoint now = loop_.Now();
    if (!foreign_since_) foreign_since_ = now;
    if (incumbent_ || now - *foreign_since_ < kForeignPatience) return;
    incumbent_ = true;
    status_ = {base::Code::kFailedPrecondition,
               lock_path_ + " is held by a process that is no agent: working without it"};
    base::LogWarning("the handover lock is held by a process that is no agent, working without",
                     {Kv("lock", lock_path_)});
  }

  void ScheduleRetry() {
    retry_timer_.Start(incumbent_ ? kWriteRetry : kLockRetry, [this] {
      Look();
      const bool wants_word = serving_ && !Announced();
      if (!yielded_ && (!lock_.valid() || wants_word)) ScheduleRetry();
    });
  }

  // Everything there is to see in the directory, whatever woke us.
  void Look() {
    if (yielded_) return;
    if (const std::optional<HandoverNote> newer = NewerAnnouncement())
      return Yield(newer->identity);
    if (serving_ && !Announced()) {
      Status written = WriteAnnouncement();
      if (!written.ok() && log_once_(written.message(), loop_.Now())) {
        base::LogWarning("cannot announce that this agent serves",
                         {Kv("error", written.message())});
      }
    }
    // An incumbent whose lock file was removed under it locks the new one.
    if (incumbent_ && SameFile(lock_.get(), lock_path_)) return;
    const bool was_incumbent = incumbent_;
    if (Status locked = TryLock(); !locked.ok() && log_once_(locked.message(), loop_.Now())) {
      base::LogWarning("cannot look at the handover lock", {Kv("error", locked.message())});
    }
    if (incumbent_ && !was_incumbent) runner_.Post([this] { owner_.became_incumbent(); });
  }

  // The announcement that is up, if its writer lives. `fd` is only borrowed for a moment.
  [[nodiscard]] std::optional<HandoverNote> LiveAnnouncement() const {
    const UniqueFd fd = OpenToLook(announcement_path_);
    if (!fd.valid()) return std::nullopt;
    // The writer locked the file before it gave it this name.
    const Holder holder = HolderOf(fd.get());
    if (holder.kind != Holder::Kind::kAgent) return std::nullopt;
    return holder.note;
  }

  [[nodiscard]] std::optional<HandoverNote> NewerAnnouncement() const {
    std::optional<HandoverNote> note = LiveAnnouncement();
    if (note && !note->NewerThan(self_)) return std::nullopt;
    return note;
  }

  [[nodiscard]] bool Announced() const {
    return announcement_.valid() && SameFile(announcement_.get(), announcement_path_);
  }

  // Made and locked under another name first, so that it is never seen unlocked. Takes the place of
  // an older agent's; an older one that takes ours is replaced when we next look.
  Status WriteAnnouncement() {
    const std::string temporary = announcement_path_ + ".new." + self_.token;
    UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return ErrnoStatus(errno, "create " + announcement_path_);
    Status status = flock(fd.get(), LOCK_EX | LOCK_NB) == 0
                        ? WriteNote(fd.get(), self_, announcement_path_)
                        : ErrnoStatus(errno, "lock " + announcement_path_);
    if (status.ok() && rename(temporary.c_str(), announcement_path_.c_str()) != 0) {
      status = ErrnoStatus(errno, "replace " + announcement_path_);
    }
    if (!status.ok()) {
      unlink(temporary.c_str());
      return status;
    }
    announcement_ = std::move(fd);
    return status;
  }

  // Half-made announcements of agents that were killed: those that nobody holds.
  void RemoveLeftovers(const std::string& directory) {
    const Result<std::vector<std::string>> names = base::ListDirectory(directory);
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      if (!name.starts_with(std::string(kAnnouncementName) + ".new.")) continue;
      const std::string path = base::JoinPath(directory, name);
      const UniqueFd fd = OpenToLook(path);
      if (fd.valid() && !IsHeld(fd.get())) unlink(path.c_str());
    }
  }

  void Yield(const AgentIdentity& successor) {
    yielded_ = true;
    base::LogInfo("a newer agent is serving, leaving", {Kv("successor", successor.Text())});
    // The owner may destroy this object in its answer, so it is told from a call of its own.
    runner_.Post([this, successor] { owner_.yield(successor); });
  }

  base::EventLoop& loop_;
  std::string lock_path_;
  std::string announcement_path_;
  HandoverNote self_;
  Owner owner_;
  Status status_;
  // Closed after the lock is let go, which is what it is to tell of; so it stands before it.
  UniqueFd lock_note_;     // agent.lock, to write into
  UniqueFd lock_;          // agent.lock, locked
  UniqueFd announcement_;  // our successor.json, locked
  std::optional<AgentIdentity> predecessor_;
  std::optional<base::TimePoint> foreign_since_;  // since when no agent holds the lock
  bool incumbent_ = false;
  bool serving_ = false;
  bool yielded_ = false;
  base::Timer retry_timer_;
  std::unique_ptr<base::DirectoryWatch> watch_;
  base::OncePer log_once_{std::chrono::minutes(5)};
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace

std::unique_ptr<Handover> Handover::New(base::EventLoop& loop, const std::string& directory,
                                        AgentIdentity self, Owner owner) {
  return std::make_unique<FlockHandover>(loop, directory, std::move(self), std::move(owner));
}

}  // namespace tranche::daemon::handover
