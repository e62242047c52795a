#include "cli/node/demo_groups.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/node/demo_gpu.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {

namespace {

namespace fs = std::filesystem;
using base::Status;

constexpr std::string_view kPrefix = "tranche-demo-";

// Groups are removed from below; their files go with them.
bool RemoveGroups(const fs::path& group) {
  std::error_code error;
  std::vector<fs::path> below;
  for (const auto& entry : fs::directory_iterator(group, error)) {
    if (entry.is_directory(error)) below.push_back(entry.path());
  }
  for (const fs::path& one : below) RemoveGroups(one);
  return rmdir(group.c_str()) == 0;
}

// Open and locked; not valid where it is not there, or where its demo lives.
base::UniqueFd LockGroup(const fs::path& group) {
  base::UniqueFd fd(open(group.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.valid() && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return fd;
}

void RemoveLeftGroups(const fs::path& tree) {
  std::error_code error;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(tree, error)) {
    if (entry.path().filename().string().starts_with(kPrefix)) left.push_back(entry.path());
  }
  for (const fs::path& one : left) {
    if (const base::UniqueFd lock = LockGroup(one); lock.valid()) RemoveGroups(one);
  }
}

// A group below the first tree in which processes of ours can have one.
base::Result<DemoGroup> NewGroup() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // proc(5): the mount point is the fifth field, the file system's kind follows " - ".
    const std::size_t kind = line.find(" - ");
    if (kind == std::string::npos || line.compare(kind + 3, 6, "cgroup") != 0) continue;
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;
    auto made = MakeDemoGroup(field);
    if (!made.ok()) continue;
    const fs::path group = made->folder;
    std::error_code error;
    // Nobody can enter a new group of the first version's cpuset before it is set up.
    const bool second = line.compare(kind + 3, 7, "cgroup2") == 0;
    if (fs::exists(group / "cgroup.procs", error) &&
        (second || !fs::exists(group / "cpuset.cpus", error))) {
      return made;
    }
    RemoveGroups(group);
  }
  return Status(base::Code::kUnavailable,
                "no control group can be made here, so no process is a pod's");
}

}  // namespace

base::Result<DemoGroup> MakeDemoGroup(const std::string& tree) {
  RemoveLeftGroups(tree);
  DemoGroup made{.folder = fs::path(tree) / fmt::format("{}{}", kPrefix, getpid()), .lock = {}};
  std::error_code error;
  if (fs::create_directory(made.folder, error)) made.lock = LockGroup(made.folder);
  if (!made.lock.valid()) {
    return Status(base::Code::kUnavailable, "no control group can be made in " + tree);
  }
  return made;
}

std::string PodGroups::WhyNot() {
  const auto group = NewGroup();
  if (!group.ok()) return group.status().message();
  RemoveGroups(group->folder);
  return "";
}

Status PodGroups::Make() {
  auto made = NewGroup();
  if (!made.ok()) return NotAsTold(made.status().message());
  group_ = std::move(*made);
  return Status::Ok();
}

base::Result<PodGroup> PodGroups::Add(std::size_t number) {
  PodGroup made{.uid = fmt::format("7f3c0de0-0000-4000-8000-{:012x}", number),
                .container_id = fmt::format("{:064x}", number),
                .enter = {}};
  const fs::path group =
      fs::path(group_.folder) / "kubepods" / ("pod" + made.uid) / made.container_id;
  std::error_code error;
  fs::create_directories(group, error);
  if (error) return NotAsTold(error.message());
  made.enter = fmt::format("echo $$ > {} || exit 1", (group / "cgroup.procs").string());
  return made;
}

void PodGroups::Remove() {
  constexpr base::Duration kPatience = std::chrono::seconds(5);
  if (group_.folder.empty()) return;
  stage_.Until([&] { return RemoveGroups(group_.folder); }, kPatience);
  group_ = {};
}

}  // namespace tranche::cli::node
