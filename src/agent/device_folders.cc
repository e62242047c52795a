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

DeviceFolders::DeviceFolders(base::EventLoop& loop, std::function<void()> changed)
    : loop_(loop), changed_(std::move(changed)), settle_timer_(loop) {}

void DeviceFolders::Watch(const std::vector<std::string>& roots) {
  if (roots == roots_) return;
  roots_ = roots;
  folders_.clear();
  subfolders_.clear();
  for (const std::string& root : roots_) {
    const std::string folder = JoinPath(root, "dev");
    if (!folders_.contains(folder)) folders_[folder] = NewWatch(folder);
  }
  WatchSubfolders();
  nodes_ = Read();
}

std::unique_ptr<base::DirectoryWatch> DeviceFolders::NewWatch(const std::string& folder) {
  return base::WatchDirectory(
      loop_, folder, [this] { SomethingHappened(); }, kPollEvery, base::DirectoryNews::kNames);
}

// One that is not there shows itself in the folder above it.
void DeviceFolders::WatchSubfolders() {
  for (const auto& [folder, watch] : folders_) {
    for (const std::string_view name : kSubfolders) {
      const std::string subfolder = JoinPath(folder, name);
      if (!base::Exists(subfolder)) {
        subfolders_.erase(subfolder);
      } else if (!subfolders_.contains(subfolder)) {
        subfolders_[subfolder] = NewWatch(subfolder);
      }
    }
  }
}

DeviceFolders::Nodes DeviceFolders::Read() const {
  Nodes nodes;
  const auto add = [&nodes](const std::string& path) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return;
    nodes[path] = {
        .number = info.st_rdev,
        .inode = info.st_ino,
        .changed_ns = std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
  };
  for (const auto& [folder, watch] : folders_) {
    const auto names = base::ListDirectory(folder);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      if (IsGiven(name)) add(JoinPath(folder, name));
    }
  }
  for (const auto& [folder, watch] : subfolders_) {
    const auto names = base::ListDirectory(folder);
    if (!names.ok()) continue;
    for (const std::string& name : *names) add(JoinPath(folder, name));
  }
  return nodes;
}

void DeviceFolders::SomethingHappened() {
  if (!settle_timer_.running()) settle_timer_.Start(kSettle, [this] { Look(); });
}

void DeviceFolders::CatchUp() {
  for (const auto& [folder, watch] : folders_) watch->CatchUp();
  for (const auto& [folder, watch] : subfolders_) watch->CatchUp();
  if (!settle_timer_.running()) return;
  settle_timer_.Stop();
  Look();
}

void DeviceFolders::Look() {
  WatchSubfolders();
  Nodes nodes = Read();
  if (nodes == nodes_) return;
  nodes_ = std::move(nodes);
  changed_();
}

}  // namespace tranche::agent
