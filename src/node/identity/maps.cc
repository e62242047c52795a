#include "node/identity/maps.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/file.h"

namespace tranche::node::identity {
namespace {

constexpr std::size_t kMaxMapsBytes = 16U << 20U;

std::string_view NextField(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view field = line.substr(0, line.find(' '));
  line.remove_prefix(field.size());
  return field;
}

// "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE   PATH", proc_pid_maps(5).
std::optional<Mapping> ReadMapping(std::string_view line) {
  Mapping mapping{.range = NextField(line), .file = {}, .path = {}};
  for (int i = 0; i < 2; ++i) NextField(line);
  const std::string_view device = NextField(line);
  const std::string_view inode = NextField(line);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (!line.starts_with('/')) return std::nullopt;
  mapping.path = line;
  const auto colon = device.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const char* end = device.data() + device.size();
  std::from_chars(device.data(), device.data() + colon, mapping.file.major, 16);
  std::from_chars(device.data() + colon + 1, end, mapping.file.minor, 16);
  std::from_chars(inode.data(), inode.data() + inode.size(), mapping.file.inode);
  return mapping;
}

}  // namespace

std::vector<Mapping> MappingsIn(std::string_view maps) {
  std::vector<Mapping> mappings;
  while (!maps.empty()) {
    const std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(maps.size(), line.size() + 1));
    if (const auto mapping = ReadMapping(line)) mappings.push_back(*mapping);
  }
  return mappings;
}

base::Result<std::string> ReadMaps(const std::string& proc_root, unsigned pid) {
  auto maps =
      base::ReadFile(base::JoinPath(proc_root, std::to_string(pid)) + "/maps", kMaxMapsBytes);
  // So the kernel shows a process that it does not let be read, and one that has no memory (yet).
  if (maps.ok() && maps->empty()) {
    return base::Status(base::Code::kUnavailable, "the mappings of the process cannot be read");
  }
  return maps;
}

}  // namespace tranche::node::identity
