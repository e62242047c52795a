#include "daemon/handover.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/directory_watch.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/time.h"
#include "base/timer.h"
#include "base/weak_runner.h"

namespace tranche::daemon {

namespace {

using base::Code;
using base::ErrnoStatus;
using base::Json;
using base::Kv;
using base::Result;
using base::Status;
using base::UniqueFd;

constexpr char kLockName[] = "agent.lock";
constexpr char kAnnouncementName[] = "successor.json";
constexpr char kApiVersion[] = "tranche.dev/v1";
constexpr std::size_t kMaxNoteBytes = 16U << 10U;
constexpr std::size_t kMaxTextBytes = 256;
// How long a lock that has come free may go unnoticed: the kernel tells nobody.
constexpr auto kLockRetry = std::chrono::milliseconds(50);
// How soon an announcement that could not be written is tried again.
constexpr auto kWriteRetry = std::chrono::milliseconds(1000);
// inotify is only a hint; the one thing behind it is that an incumbent leaves a little later.
constexpr auto kPollEvery = std::chrono::seconds(2);

// Who wrote a note, and when it came to the node.
struct Note {
  AgentIdentity identity;
  std::int64_t arrival_ns = 0;  // CLOCK_BOOTTIME: the same for every container of a node
  std::string token;            // tells apart two that came in the same nanosecond
  bool leaving = false;         // serves only until somebody takes over

  [[nodiscard]] bool NewerThan(const Note& other) const {
    return std::pair(arrival_ns, token) > std::pair(other.arrival_ns, other.token);
  }
};

std::string RandomToken() {
  std::array<unsigned char, 16> bytes{};
  // Never short for so few bytes (getrandom(2)); were it, the pid below would still differ.
  if (getrandom(bytes.data(), bytes.size(), 0) < 0) bytes.fill(0);
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token + fmt::format("-{}", getpid());
}

std::int64_t BootTimeNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string Encode(const Note& note) {
  return Json::MakeObject({{"apiVersion", kApiVersion},
                           {"kind", "AgentNote"},
                           {"host", note.identity.host},
                           {"pid", note.identity.pid},
                           {"started", note.identity.started},
                           {"arrivalNs", note.arrival_ns},
                           {"leaving", note.leaving},
                           {"token", note.token}})
             .Dump() +
         "\n";
}

std::string TextField(const Json& json, std::string_view key) {
  return base::PrintableAt(json, key, kMaxTextBytes);
}

std::optional<Note> Decode(std::string_view text) {
  const Result<Json> json = Json::Parse(text);
  if (!json.ok()) return std::nullopt;
  const std::optional<std::int64_t> arrival = base::IntAt(*json, "arrivalNs");
  if (!arrival) return std::nullopt;
  Note note{.identity = {.host = TextField(*json, "host"), .started = TextField(*json, "started")},
            .arrival_ns = *arrival,
            .token = TextField(*json, "token")};
  if (const auto pid = base::IntAt(*json, "pid")) note.identity.pid = static_cast<int>(*pid);
  note.leaving = base::BoolAt(*json, "leaving");
  return note;
}

std::optional<Note> ReadNote(int fd) {
  std::string text(kMaxNoteBytes, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  if (got <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(got));
  return Decode(text);
}

Status WriteNote(int fd, const Note& note, const std::string& path) {
  const std::string text = Encode(note);
  const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
  if (written < 0) return ErrnoStatus(errno, "write " + path);
  if (static_cast<std::size_t>(written) != text.size()) return ErrnoStatus(ENOSPC, "write " + path);
  if (ftruncate(fd, written) != 0) return ErrnoStatus(errno, "truncate " + path);
  return Status::Ok();
}

// Whether some living process holds a lock on the file.
bool IsHeld(int fd) { return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK; }

UniqueFd OpenToLook(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

// Held, and not by one that only waits for another to take over.
bool IsHeldToStay(const std::string& path) {
  const UniqueFd fd = OpenToLook(path);
  if (!fd.valid() || !IsHeld(fd.get())) return false;
  const std::optional<Note> note = ReadNote(fd.get());
  return !note || !note->leaving;
}

bool SameFile(int fd, const std::string& path) {
  struct stat open_file {};
  struct stat named {};
  return fstat(fd, &open_file) == 0 && lstat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

class FlockHandover : public Handover {
 public:
  FlockHandover(base::EventLoop& loop, const std::string& directory, AgentIdentity self,
                Listener listener)
      : loop_(loop),
        lock_path_(base::JoinPath(directory, kLockName)),
        announcement_path_(base::JoinPath(directory, kAnnouncementName)),
        self_{.identity = std::move(self), .arrival_ns = BootTimeNs(), .token = RandomToken()},
        listener_(std::move(listener)),
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

  void Announce() override {
    if (std::exchange(serving_, true) || watch_ == nullptr) return;
    Look();
    if (!retry_timer_.running() && !yielded_ && !Announced()) ScheduleRetry();
  }

  void Leave() override {
    self_.leaving = true;
    if (lock_.valid()) WriteIntoLock();
    if (!announcement_.valid()) return;
    const Status written = WriteNote(announcement_.get(), self_, announcement_path_);
    if (!written.ok()) {
      base::LogWarning("cannot say that this agent leaves", {Kv("error", written.message())});
    }
  }

 private:
  // Takes agent.lock when it is free. Not OK: it cannot be had at all.
  Status TryLock() {
    // Not for writing: closed again, that would be news to every watch of the directory, our own
    // among them, which looks, and opens it again, without end.
    UniqueFd fd(
        open(lock_path_.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
    if (!fd.valid()) return ErrnoStatus(errno, "open " + lock_path_);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "lock " + lock_path_);
      RememberPredecessor(fd.get());
      return Status::Ok();
    }
    // Removed between open and lock: someone else may hold its successor by that name.
    if (!SameFile(fd.get(), lock_path_)) return Status::Ok();
    lock_ = std::move(fd);
    incumbent_ = true;
    WriteIntoLock();
    return Status::Ok();
  }

  // Where that fails only our name is lost: the lock holds on a full disk too.
  void WriteIntoLock() {
    const UniqueFd fd(open(lock_path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    Status written = ErrnoStatus(errno, "open " + lock_path_);
    if (fd.valid()) {
      // Whoever removed ours and made another may say there who he is.
      if (!SameFile(lock_.get(), lock_path_)) return;
      written = WriteNote(fd.get(), self_, lock_path_);
    }
    if (!written.ok()) {
      base::LogWarning("cannot write into the handover lock", {Kv("error", written.message())});
    }
  }

  void RememberPredecessor(int fd) {
    if (incumbent_ || (predecessor_ && !predecessor_->host.empty())) return;
    const std::optional<Note> note = ReadNote(fd);
    // Locked but not yet written: somebody, whose name the next look may find.
    predecessor_ = note ? note->identity : AgentIdentity{};
  }

  void ScheduleRetry() {
    retry_timer_.Start(incumbent_ ? kWriteRetry : kLockRetry, [this] {
      Look();
      const bool wants_lock = !incumbent_;
      const bool wants_word = serving_ && !Announced();
      if (!yielded_ && (wants_lock || wants_word)) ScheduleRetry();
    });
  }

  // Everything there is to see in the directory, whatever woke us.
  void Look() {
    if (yielded_) return;
    if (const std::optional<Note> newer = NewerAnnouncement()) return Yield(newer->identity);
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
    if (incumbent_ && !was_incumbent) runner_.Post([this] { listener_.became_incumbent(); });
  }

  // The announcement that is up, if its writer lives. `fd` is only borrowed for a moment.
  [[nodiscard]] std::optional<Note> LiveAnnouncement() const {
    const UniqueFd fd = OpenToLook(announcement_path_);
    // The writer locked the file before it gave it this name.
    if (!fd.valid() || !IsHeld(fd.get())) return std::nullopt;
    return ReadNote(fd.get());
  }

  [[nodiscard]] std::optional<Note> NewerAnnouncement() const {
    std::optional<Note> note = LiveAnnouncement();
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
    UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return ErrnoStatus(errno, "create " + temporary);
    Status status = flock(fd.get(), LOCK_EX | LOCK_NB) == 0
                        ? WriteNote(fd.get(), self_, temporary)
                        : ErrnoStatus(errno, "lock " + temporary);
    if (status.ok() && rename(temporary.c_str(), announcement_path_.c_str()) != 0) {
      status = ErrnoStatus(errno, "rename " + temporary);
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
    runner_.Post([this, successor] { listener_.yield(successor); });
  }

  base::EventLoop& loop_;
  std::string lock_path_;
  std::string announcement_path_;
  Note self_;
  Listener listener_;
  Status status_;
  UniqueFd lock_;          // agent.lock, locked
  UniqueFd announcement_;  // our successor.json, locked
  std::optional<AgentIdentity> predecessor_;
  bool incumbent_ = false;
  bool serving_ = false;
  bool yielded_ = false;
  base::Timer retry_timer_;
  std::unique_ptr<base::DirectoryWatch> watch_;
  base::OncePer log_once_{std::chrono::minutes(5)};
  base::WeakRunner runner_;  // last: it goes first
};

}  // namespace

bool AgentIsThere(const std::string& directory) {
  return IsHeldToStay(base::JoinPath(directory, kLockName)) ||
         IsHeldToStay(base::JoinPath(directory, kAnnouncementName));
}

AgentIdentity AgentIdentity::Self() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return {.host = host, .pid = getpid(), .started = base::Rfc3339Now()};
}

std::string AgentIdentity::Text() const {
  if (host.empty() && pid == 0) return "another agent";
  return fmt::format("{} (pid {}{}{})", host.empty() ? "unknown host" : host, pid,
                     started.empty() ? "" : ", started ", started);
}

std::unique_ptr<Handover> Handover::New(base::EventLoop& loop, const std::string& directory,
                                        AgentIdentity self, Listener listener) {
  return std::make_unique<FlockHandover>(loop, directory, std::move(self), std::move(listener));
}

}  // namespace tranche::daemon
