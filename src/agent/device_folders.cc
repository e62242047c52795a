#include "agent/device_folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/file.h"

namespace tranche::agent {

namespace {

using base::JoinPath;

// How long after the first news the nodes are read.
constexpr base::Duration kSettle = std::chrono::milliseconds(50);
constexpr base::Duration kPollEvery = std::chrono::seconds(30);

constexpr std::array<std::string_view, 4> kSubfolders{"nvidia-caps", "nvidia-caps-imex-channels",
                                                      "infiniband", "dri"};

bool IsGiven(const std::string& name) {
  return name.starts_with("nvidia") || name.starts_with("gdrdrv");
}

}  // namespace

DeviceFolders::DeviceFolders(base::EventLoop& loop, base::disk::Worker& worker,
                             std::function<void()> changed)
    : loop_(loop),
      worker_(worker),
      changed_(std::move(changed)),
      look_(loop, worker, "looking at the device nodes"),
      settle_timer_(loop) {}

void DeviceFolders::Watch(const std::vector<std::string>& roots) {
  if (roots == roots_) return;
  roots_ = roots;
  folders_.clear();
  subfolders_.clear();
  for (const std::string& root : roots_) {
    const std::string folder = JoinPath(root, "dev");
    if (!folders_.contains(folder)) folders_[folder] = NewWatch(folder);
  }
  nodes_.clear();
  Look(Purpose::kBaseline);
}

std::unique_ptr<base::DirectoryWatch> DeviceFolders::NewWatch(const std::string& folder) {
  return base::WatchDirectory(
      loop_, folder, [this] { SomethingHappened(); }, kPollEvery, base::DirectoryNews::kNames,
      base::disk::LooksOf(worker_, "watching " + folder));
}

// Whether one is watched that was not before. One that is not there shows itself in the folder
// above it.
bool DeviceFolders::WatchSubfolders(const std::vector<std::string>& subfolders) {
  std::erase_if(subfolders_, [&](const auto& watched) {
    return std::ranges::find(subfolders, watched.first) == subfolders.end();
  });
  bool any = false;
  for (const std::string& subfolder : subfolders) {
    if (subfolders_.contains(subfolder)) continue;
    subfolders_[subfolder] = NewWatch(subfolder);
    any = true;
  }
  return any;
}

DeviceFolders::Seen DeviceFolders::LookAt(const std::vector<std::string>& folders) {
  Seen seen;
  const auto add = [&seen](const std::string& path) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return;
    seen.nodes[path] = {
        .number = info.st_rdev,
        .inode = info.st_ino,
        .changed_ns = std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
  };
  for (const std::string& folder : folders) {
    const auto names = base::ListDirectory(folder);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      if (IsGiven(name)) add(JoinPath(folder, name));
    }
    for (const std::string_view name : kSubfolders) {
      const std::string subfolder = JoinPath(folder, name);
      if (!base::Exists(subfolder)) continue;
      seen.subfolders.push_back(subfolder);
      const auto parts = base::ListDirectory(subfolder);
      if (!parts.ok()) continue;
      for (const std::string& part : *parts) add(JoinPath(subfolder, part));
    }
  }
  return seen;
}

void DeviceFolders::SomethingHappened() {
  if (!settle_timer_.running()) settle_timer_.Start(kSettle, [this] { Look(Purpose::kNews); });
}

void DeviceFolders::CatchUp() {
  for (const auto& [folder, watch] : folders_) watch->CatchUp();
  for (const auto& [folder, watch] : subfolders_) watch->CatchUp();
  if (!settle_timer_.running()) return;
  settle_timer_.Stop();
  Look(Purpose::kNews);
}

void DeviceFolders::Look(Purpose purpose) {
  std::vector<std::string> folders;
  for (const auto& [folder, watch] : folders_) folders.push_back(folder);
  const auto seen = std::make_shared<Seen>();
  const base::Status status = look_.Run([seen, folders] { *seen = LookAt(folders); },
                                        [this, seen, roots = roots_] {
                                          // What containers are given may have been made
                                          // without this answer: so it is news.
                                          if (roots == roots_)
                                            Take(std::move(*seen), Purpose::kNews);
                                          if (std::exchange(missed_, false)) SomethingHappened();
                                        });
  if (status.ok()) return Take(std::move(*seen), purpose);
  missed_ = true;
}

void DeviceFolders::Take(Seen seen, Purpose purpose) {
  const bool changed = purpose == Purpose::kNews && seen.nodes != nodes_;
  nodes_ = std::move(seen.nodes);
  // A new folder may have got nodes before it was watched: so it is looked at once more.
  if (WatchSubfolders(seen.subfolders)) SomethingHappened();
  if (changed) changed_();
}

}  // namespace tranche::agent
