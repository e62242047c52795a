#include "gpu/device_nodes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace tranche::gpu {

namespace {

bool IsGpuNode(const std::string& name) {
  constexpr std::string_view kPrefix = "nvidia";
  return name.starts_with(kPrefix) &&
         base::AllDigits(std::string_view(name).substr(kPrefix.size()));
}

std::vector<std::string> GpuNodesIn(const std::string& directory) {
  const auto names = base::ListDirectory(directory);
  std::vector<std::string> nodes;
  if (names.ok()) std::ranges::copy_if(*names, std::back_inserter(nodes), IsGpuNode);
  return nodes;
}

}  // namespace

DeviceNodes::Seen DeviceNodes::LookAt(const std::string& driver_root) {
  std::string directory = base::JoinPath(driver_root, "dev");
  if (!base::Exists(directory)) directory = "/dev";
  std::vector<std::string> names = GpuNodesIn(directory);
  return {.directory = std::move(directory), .names = std::move(names)};
}

void DeviceNodes::Watch(const std::string& driver_root) {
  driver_root_ = driver_root;
  Read();
  // Where the driver root does not answer yet.
  if (directory_.empty()) directory_ = base::JoinPath(driver_root, "dev");
}

void DeviceNodes::Read() {
  const auto seen = std::make_shared<Seen>();
  const base::Status status = look_.Run([seen, root = driver_root_] { *seen = LookAt(root); },
                                        [this, seen] { Take(*seen); });
  // One that has no answer is made again at the next look at the driver.
  if (status.ok()) Take(std::move(*seen));
}

void DeviceNodes::Take(Seen seen) {
  const bool watched = watch_ != nullptr && seen.directory == directory_;
  const bool changed = watched && seen.names != names_;
  names_ = std::move(seen.names);
  if (!watched) {
    directory_ = std::move(seen.directory);
    watch_ = base::WatchDirectory(
        loop_, directory_, [this] { Read(); }, std::chrono::seconds(30),
        base::DirectoryNews::kNames, base::disk::LooksOf(worker_, "watching " + directory_));
  }
  if (changed) changed_();
}

}  // namespace tranche::gpu
