#include "sim/driver/record/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace tranche::sim::driver {
namespace {

constexpr std::size_t kHeldBytes = 64U << 10U;

}  // namespace

base::Result<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path,
                                                     std::uint64_t max_bytes) {
  std::unique_ptr<LogFile> log(new LogFile(path, max_bytes));
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(path)));
  TRANCHE_TRY(log->Begin());
  return log;
}

base::Status LogFile::Begin() {
  if (base::Exists(path_) && rename(path_.c_str(), (path_ + ".1").c_str()) != 0) {
    return base::ErrnoStatus(errno, "rename " + path_);
  }
  file_ = base::UniqueFd(
      open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file_.valid()) return base::ErrnoStatus(errno, "create " + path_);
  written_ = 0;
  return base::Status::Ok();
}

void LogFile::Line(std::string_view line) {
  if (written_ + held_.size() + line.size() + 1 > half_) {
    Flush();
    // Else the old file goes on: nothing may grow without a bound, so its lines are lost below.
    if (written_ + line.size() + 1 > half_) {
      if (!Begin().ok()) {
        ++lost_;
        return;
      }
      if (beginning_) held_ = beginning_();
    }
  }
  held_.append(line).push_back('\n');
  ++held_lines_;
  if (held_.size() >= kHeldBytes) Flush();
}

void LogFile::Flush() {
  std::string_view left = held_;
  while (!left.empty()) {
    const ssize_t wrote = write(file_.get(), left.data(), left.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      lost_ += held_lines_;
      break;
    }
    written_ += static_cast<std::uint64_t>(wrote);
    left.remove_prefix(static_cast<std::size_t>(wrote));
  }
  held_.clear();
  held_lines_ = 0;
}

}  // namespace tranche::sim::driver
