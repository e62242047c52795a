#include "cdi/spec_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace tranche::cdi {

namespace {

using base::Status;

constexpr base::Duration kFirstPause = std::chrono::milliseconds(200);
constexpr base::Duration kLongestPause = std::chrono::seconds(30);
// A file that cannot be written (a full disk) is tried again.
constexpr base::Duration kRetry = std::chrono::seconds(5);

std::int64_t Nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

SpecFolder::SpecFolder(base::EventLoop& loop, std::string directory, Owner owner)
    : loop_(loop),
      directory_(std::move(directory)),
      owner_(std::move(owner)),
      back_off_({.first = kFirstPause, .longest = kLongestPause}),
      timer_(loop) {}

SpecFolder::Trace SpecFolder::TraceOf(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return {};
  return {.inode = info.st_ino,
          .size = info.st_size,
          .modified_ns = Nanoseconds(info.st_mtim),
          .changed_ns = Nanoseconds(info.st_ctim)};
}

Status SpecFolder::Write(const std::vector<CdiFile>& files) {
  std::vector<Kept> written;
  for (const CdiFile& file : files) {
    TRANCHE_TRY(WriteCdiSpec(directory_, file.name, file.spec));
    written.push_back({.name = file.name,
                       .spec = file.spec,
                       .trace = TraceOf(base::JoinPath(directory_, file.name))});
  }
  kept_ = std::move(written);
  status_ = Status::Ok();
  timer_.Stop();
  if (kept_.empty()) {
    watch_.reset();
  } else if (watch_ == nullptr) {
    watch_ = base::WatchDirectory(loop_, directory_, [this] { FolderChanged(); });
  }
  return Status::Ok();
}

bool SpecFolder::Touched() const {
  return std::ranges::any_of(kept_, [this](const Kept& file) {
    return !(TraceOf(base::JoinPath(directory_, file.name)) == file.trace);
  });
}

Status SpecFolder::Check() {
  if (status_.ok() && !Touched()) return Status::Ok();
  if (owner_.may_mend && !owner_.may_mend()) return status_;
  status_ = Mend();
  if (!status_.ok()) MendLater(kRetry);
  return status_;
}

Status SpecFolder::Mend() {
  for (Kept& file : kept_) {
    const std::string path = base::JoinPath(directory_, file.name);
    const Trace seen = TraceOf(path);
    if (seen == file.trace) continue;
    TRANCHE_TRY(WriteCdiSpec(directory_, file.name, file.spec));
    file.trace = TraceOf(path);
    // Where the content was right, nothing was written.
    if (file.trace == seen) continue;
    base::LogWarning("a CDI spec was not as it had been written, and is written again",
                     {base::Kv("path", path), base::Kv("found", seen.inode != 0)});
  }
  return Status::Ok();
}

void SpecFolder::FolderChanged() {
  if (timer_.running() || (status_.ok() && !Touched())) return;
  MendLater(not_before_ - loop_.Now());
}

void SpecFolder::MendLater(base::Duration delay) {
  timer_.Start(std::max(delay, base::Duration::zero()), [this] {
    if (owner_.may_mend && !owner_.may_mend()) return;
    if (loop_.Now() - not_before_ > kLongestPause) back_off_.Reset();
    not_before_ = loop_.Now() + back_off_.Next();
    const bool was_ok = status_.ok();
    if (Check().ok() != was_ok && owner_.changed) owner_.changed();
  });
}

}  // namespace tranche::cdi
