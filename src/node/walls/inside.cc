#include "node/walls/inside.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <string>

#include "base/file.h"
#include "base/json_read.h"

namespace tranche::node::walls {
namespace {

using base::JoinPath;
using identity::MappedFile;

constexpr std::size_t kMaxBirthBytes = 8192;  // tranche-hook writes at most 8191 (hook/report.cc)
constexpr time_t kForgetSeconds = 3600;
constexpr std::string_view kShimName = "libcuda.tranche";
constexpr std::string_view kLibrary = "libcuda.so";

std::vector<MappedFile> FilesIn(const std::string& folder) {
  std::vector<MappedFile> files;
  if (folder.empty()) return files;
  const auto names = base::ListDirectory(folder);
  if (!names.ok()) return files;
  for (const std::string& name : *names) {
    struct stat facts {};
    if (!name.starts_with(kShimName) || stat(JoinPath(folder, name).c_str(), &facts) != 0) continue;
    files.push_back({.major = major(facts.st_dev),
                     .minor = minor(facts.st_dev),
                     .inode = static_cast<std::uint64_t>(facts.st_ino)});
  }
  return files;
}

bool IsId(const std::string& text) {
  return !text.empty() && text.size() <= 128 &&
         text.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
}

}  // namespace

std::optional<Birth> ReadBirth(std::string_view text) {
  const auto json = base::Json::Parse(text);
  if (!json.ok()) return std::nullopt;
  const std::string& walls = base::TextAt(*json, "walls");
  if (walls != "yes" && walls != "no") return std::nullopt;
  return Birth{.walled = walls == "yes",
               .word = base::PrintableAt(*json, "reason", 32),
               .message = base::PrintableAt(*json, "message", 200)};
}

Loaded ReadLoaded(std::string_view maps, const std::vector<MappedFile>& shims) {
  Loaded loaded = Loaded::kNothing;
  for (const identity::Mapping& mapping : identity::MappingsIn(maps)) {
    const std::string_view name = mapping.path.substr(mapping.path.rfind('/') + 1);
    const bool shim =
        name.starts_with(kShimName) || std::ranges::find(shims, mapping.file) != shims.end();
    if (shim) return Loaded::kShim;
    if (name.starts_with(kLibrary)) loaded = Loaded::kOther;
  }
  return loaded;
}

Inside LookInside(const InsidePaths& paths, unsigned pid, const std::string& container_id) {
  Inside inside;
  if (!paths.births.empty() && IsId(container_id)) {
    const auto text = base::ReadFile(JoinPath(paths.births, container_id), kMaxBirthBytes);
    if (text.ok()) inside.birth = ReadBirth(*text);
  }
  const auto maps = identity::ReadMaps(paths.proc, pid);
  if (maps.ok()) inside.loaded = ReadLoaded(*maps, FilesIn(paths.shims));
  return inside;
}

void ForgetBirths(const std::string& folder, const std::set<std::string>& kept) {
  const auto names = base::ListDirectory(folder);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string path = JoinPath(folder, name);
    struct stat facts {};
    if (kept.contains(name) || lstat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode))
      continue;
    if (time(nullptr) - facts.st_mtime > kForgetSeconds) unlink(path.c_str());
  }
}

Reason WhyNoWall(const Inside& inside, Births births) {
  if (inside.birth && !inside.birth->walled) {
    return ReasonOf(inside.birth->word, inside.birth->message);
  }
  if (inside.loaded == Loaded::kShim) return ReasonOf("not-attached");
  if (inside.birth) return ReasonOf("not-loaded");
  if (births == Births::kTold || inside.loaded != Loaded::kNotKnown) return ReasonOf("no-shim");
  return ReasonOf("not-known");
}

}  // namespace tranche::node::walls
