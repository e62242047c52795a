#include "cdi/spec_folder.h"

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

}  // namespace

SpecFolder::SpecFolder(base::EventLoop& loop, base::disk::Worker& worker, std::string directory,
                       Owner owner)
    : loop_(loop),
      worker_(worker),
      directory_(std::move(directory)),
      owner_(std::move(owner)),
      back_off_({.first = kFirstPause, .longest = kLongestPause}),
      timer_(loop),
      look_(loop, worker, "looking at the CDI specs in " + directory_) {}

bool SpecFolder::Touched(const std::string& directory, const std::vector<Kept>& files) {
  return std::ranges::any_of(files, [&](const Kept& file) {
    return !(TraceOf(base::JoinPath(directory, file.name)) == file.trace);
  });
}

void SpecFolder::WriteAll(const std::string& directory, Looked& looked) {
  for (Kept& file : looked.files) {
    looked.status = WriteCdiSpec(directory, file.name, *file.spec);
    if (!looked.status.ok()) return;
    file.trace = TraceOf(base::JoinPath(directory, file.name));
  }
}

void SpecFolder::Mend(const std::string& directory, Looked& looked) {
  for (Kept& file : looked.files) {
    const std::string path = base::JoinPath(directory, file.name);
    const FileTrace seen = TraceOf(path);
    if (seen == file.trace) continue;
    looked.status = WriteCdiSpec(directory, file.name, *file.spec);
    if (!looked.status.ok()) return;
    file.trace = TraceOf(path);
    // Where the content was right, nothing was written.
    if (file.trace == seen) continue;
    base::LogWarning("a CDI spec was not as it had been written, and is written again",
                     {base::Kv("path", path), base::Kv("found", seen.inode != 0)});
  }
}

Status SpecFolder::Write(const std::vector<CdiFile>& files) {
  const auto same = [](const Kept& kept, const CdiFile& file) {
    return kept.name == file.name && *kept.spec == file.spec;
  };
  std::optional<Looked> late = std::exchange(late_, std::nullopt);
  if (late && std::ranges::equal(late->files, files, same)) return Written(std::move(*late));
  const auto looked = std::make_shared<Looked>();
  for (const CdiFile& file : files) {
    looked->files.push_back(
        {.name = file.name, .spec = std::make_shared<base::Json>(file.spec), .trace = {}});
  }
  if (!files.empty()) {
    TRANCHE_TRY(look_.Run([looked, directory = directory_] { WriteAll(directory, *looked); },
                          [this, looked] {
                            late_ = std::move(*looked);
                            if (owner_.written) owner_.written();
                          }));
  }
  return Written(std::move(*looked));
}

Status SpecFolder::Written(Looked looked) {
  if (!looked.status.ok()) return looked.status;
  kept_ = std::move(looked.files);
  status_ = Status::Ok();
  timer_.Stop();
  if (kept_.empty()) {
    watch_.reset();
  } else if (watch_ == nullptr) {
    watch_ = base::WatchDirectory(
        loop_, directory_, [this] { FolderChanged(); }, std::chrono::seconds(30),
        base::DirectoryNews::kAll, base::disk::LooksOf(worker_, "watching " + directory_));
  }
  return Status::Ok();
}

Status SpecFolder::Check() {
  if (kept_.empty() || !MayMend()) return status_;
  const auto looked = std::make_shared<Looked>(Looked{.files = kept_, .status = Status::Ok()});
  const Status answered = look_.Run([looked, directory = directory_] { Mend(directory, *looked); },
                                    [this, looked] {
                                      if (kept_.empty()) return;  // none is wanted any more
                                      const bool was_ok = status_.ok();
                                      Mended(std::move(*looked));
                                      if (status_.ok() != was_ok && owner_.changed)
                                        owner_.changed();
                                    });
  if (answered.ok()) Mended(std::move(*looked));
  return status_;
}

void SpecFolder::Mended(Looked looked) {
  kept_ = std::move(looked.files);
  status_ = std::move(looked.status);
  if (!status_.ok()) MendLater(kRetry);
}

void SpecFolder::FolderChanged() {
  if (timer_.running()) return;
  const auto touched = std::make_shared<bool>(true);
  const auto then = [this, touched] {
    if (timer_.running() || (status_.ok() && !*touched)) return;
    MendLater(not_before_ - loop_.Now());
  };
  const Status answered = look_.Run(
      [touched, directory = directory_, files = kept_] { *touched = Touched(directory, files); },
      then);
  if (answered.ok()) then();
}

void SpecFolder::MendLater(base::Duration delay) {
  timer_.Start(std::max(delay, base::Duration::zero()), [this] {
    if (!MayMend()) return;
    if (loop_.Now() - not_before_ > kLongestPause) back_off_.Reset();
    not_before_ = loop_.Now() + back_off_.Next();
    const bool was_ok = status_.ok();
    if (Check().ok() != was_ok && owner_.changed) owner_.changed();
  });
}

}  // namespace tranche::cdi
