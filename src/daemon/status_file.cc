#include "daemon/status_file.h"

#include <unistd.h>

#include <utility>

#include "base/file.h"

namespace tranche::daemon {

namespace {
constexpr base::Duration kDelay = std::chrono::milliseconds(50);
}

StatusFile::StatusFile(base::EventLoop& loop, const std::string& directory,
                       std::function<base::Json()> status)
    : loop_(loop),
      path_(directory.empty() ? "" : base::JoinPath(directory, "status.json")),
      status_(std::move(status)),
      rarely_(std::chrono::minutes(5)),
      timer_(loop) {}

void StatusFile::Changed() {
  if (path_.empty() || timer_.running()) return;
  timer_.Start(kDelay, [this] { Write(); });
}

void StatusFile::Write() {
  const base::Status status = base::WriteFileAtomic(path_, status_().Dump(2) + "\n");
  if (!status.ok() && rarely_("status", loop_.Now())) {
    base::LogWarning("cannot write the status file", {base::Kv("error", status.message())});
  }
}

void StatusFile::Remove() {
  timer_.Stop();
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace tranche::daemon
