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

void DeviceNodes::Watch(const std::string& driver_root) {
  std::string directory = base::JoinPath(driver_root, "dev");
  if (!base::Exists(directory)) directory = "/dev";
  if (directory == directory_) return;
  directory_ = std::move(directory);
  watch_ = base::WatchDirectory(
      loop_, directory_, [this] { ReadNames(); }, std::chrono::seconds(30),
      base::DirectoryNews::kNames);
  names_ = GpuNodesIn(directory_);
}

void DeviceNodes::ReadNames() {
  std::vector<std::string> names = GpuNodesIn(directory_);
  if (names == names_) return;
  names_ = std::move(names);
  changed_();
}

}  // namespace tranche::gpu
