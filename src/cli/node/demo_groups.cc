#include "cli/node/demo_groups.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "cli/node/demo_gpu.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {

namespace {

namespace fs = std::filesystem;
using base::Status;

// A new control group of ours below the first tree that can be written; "" where there is none.
std::string NewGroup() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // proc(5): the mount point is the fifth field, the file system's kind follows " - ".
    const std::size_t kind = line.find(" - ");
    if (kind == std::string::npos || line.compare(kind + 3, 6, "cgroup") != 0) continue;
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;
    const fs::path group = fs::path(field) / fmt::format("tranche-demo-{}", getpid());
    std::error_code error;
    if (!fs::create_directory(group, error)) continue;
    // Nobody can enter a new group of the first version's cpuset before it is set up.
    const bool second = line.compare(kind + 3, 7, "cgroup2") == 0;
    if (fs::exists(group / "cgroup.procs", error) &&
        (second || !fs::exists(group / "cpuset.cpus", error))) {
      return group;
    }
    fs::remove(group, error);
  }
  return "";
}

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

}  // namespace

std::string PodGroups::WhyNot() {
  const std::string group = NewGroup();
  if (group.empty()) return "no control group can be made here, so no process is a pod's";
  RemoveGroups(group);
  return "";
}

Status PodGroups::Make() {
  folder_ = NewGroup();
  return folder_.empty() ? NotAsTold("no control group can be made") : Status::Ok();
}

base::Result<PodGroup> PodGroups::Add(std::size_t number) {
  PodGroup made{.uid = fmt::format("7f3c0de0-0000-4000-8000-{:012x}", number),
                .container_id = fmt::format("{:064x}", number),
                .enter = {}};
  const fs::path group = fs::path(folder_) / "kubepods" / ("pod" + made.uid) / made.container_id;
  std::error_code error;
  fs::create_directories(group, error);
  if (error) return NotAsTold(error.message());
  made.enter = fmt::format("echo $$ > {} || exit 1", (group / "cgroup.procs").string());
  return made;
}

void PodGroups::Remove() {
  constexpr base::Duration kPatience = std::chrono::seconds(5);
  if (folder_.empty()) return;
  stage_.Until([&] { return RemoveGroups(folder_); }, kPatience);
  folder_.clear();
}

}  // namespace tranche::cli::node
