#include "daemon/status_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace tranche::daemon {

namespace {
constexpr base::Duration kDelay = std::chrono::milliseconds(50);
}

StatusFile::StatusFile(base::EventLoop& loop, const std::string& directory,
                       std::function<base::Json()> status)
    : loop_(loop),
      path_(directory.empty() ? "" : base::JoinPath(directory, kStatusName)),
      lock_path_(base::JoinPath(directory, kStatusLockName)),
      status_(std::move(status)),
      rarely_(std::chrono::minutes(5)),
      timer_(loop),
      heartbeat_(loop) {}

void StatusFile::Changed() {
  if (path_.empty() || timer_.running()) return;
  timer_.Start(kDelay, [this] { Write(); });
}

void StatusFile::Write() {
  heartbeat_.Start(kHeartbeat, [this] { Write(); });
  const base::Status status = base::WriteFileAtomic(path_, status_().Dump(2) + "\n");
  if (!status.ok() && rarely_("status", loop_.Now())) {
    base::LogWarning("cannot write the status file", {base::Kv("error", status.message())});
  }
  HoldLock();
}

// Shared: during a handover two agents hold it. Without it a reader has the file's age alone. Only
// root may open it, since whoever can open a file can lock it.
void StatusFile::HoldLock() {
  if (lock_.valid() && base::SameFile(lock_.get(), lock_path_)) return;
  lock_ = base::UniqueFd(
      open(lock_path_.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct flock whole {};
  whole.l_type = F_RDLCK;
  if (lock_.valid() && fcntl(lock_.get(), F_OFD_SETLK, &whole) != 0) lock_ = base::UniqueFd();
}

void StatusFile::Remove() {
  timer_.Stop();
  heartbeat_.Stop();
  if (!path_.empty()) unlink(path_.c_str());
}

// Asks without locking: that would keep a program that begins from its lock.
Writer StatusWriter(const std::string& directory) {
  const std::string path = base::JoinPath(directory, kStatusLockName);
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct flock whole {};
  whole.l_type = F_WRLCK;
  if (!fd.valid() || fcntl(fd.get(), F_OFD_GETLK, &whole) != 0) return Writer::kUnknown;
  return whole.l_type == F_UNLCK ? Writer::kGone : Writer::kAlive;
}

}  // namespace tranche::daemon
