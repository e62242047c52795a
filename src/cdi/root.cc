#include "cdi/root.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "cdi/ldcache.h"

namespace tranche::cdi {
namespace {

constexpr std::size_t kLargestLdCache = 16U << 20U;  // real ones have some 100 KiB
constexpr int kMostLinks = 40;                       // as the kernel's MAXSYMLINKS

const std::vector<std::string>& LibraryDirectories() {
  static const std::vector<std::string> directories = {"/",
                                                       "/usr/lib64",
                                                       "/usr/lib/x86_64-linux-gnu",
                                                       "/usr/lib/aarch64-linux-gnu",
                                                       "/usr/lib/x86_64-linux-gnu/nvidia/current",
                                                       "/usr/lib/aarch64-linux-gnu/nvidia/current",
                                                       "/lib64",
                                                       "/lib/x86_64-linux-gnu",
                                                       "/lib/aarch64-linux-gnu",
                                                       "/lib/x86_64-linux-gnu/nvidia/current",
                                                       "/lib/aarch64-linux-gnu/nvidia/current"};
  return directories;
}

std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.empty() ? "/" : path;
}

// "" where there is nothing.
std::string FinalTarget(const std::string& path) {
  std::error_code error;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? std::string() : target.string();
}

std::string RootHere(const std::string& root) {
  std::string target = FinalTarget(root);
  return target.empty() ? WithoutTrailingSlashes(root) : target;
}

bool IsUnder(const std::string& path, const std::string& root) {
  return root == "/" ||
         (path.starts_with(root) && path.size() > root.size() && path[root.size()] == '/');
}

bool IsOf(mode_t mode, FileKind kind) {
  constexpr mode_t kAnyExecute = S_IXUSR | S_IXGRP | S_IXOTH;
  switch (kind) {
    case FileKind::kFile:
      return S_ISREG(mode);
    case FileKind::kExecutable:
      return S_ISREG(mode) && (mode & kAnyExecute) != 0;
    case FileKind::kSocket:
      return S_ISSOCK(mode);
    case FileKind::kDirectory:
      return S_ISDIR(mode);
  }
  return false;
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// "/" here may be a container's own root, whatever the flags call it.
bool IsHostsRoot(const CdiRoots& roots) {
  return roots.driver_root_here != "/" && roots.driver_root_on_host == "/";
}

std::optional<CharDevice> StatCharDevice(const std::string& path) {
  struct stat info {};
  // No links: a node in a container is made from these very numbers.
  if (lstat(path.c_str(), &info) != 0 || !S_ISCHR(info.st_mode)) return std::nullopt;
  return CharDevice{.major = major(info.st_rdev),
                    .minor = minor(info.st_rdev),
                    .mode = info.st_mode & ~static_cast<mode_t>(S_IFMT),
                    .gid = info.st_gid};
}

}  // namespace

NameMatch EndsWith(std::string suffix) {
  return [suffix = std::move(suffix)](std::string_view name) { return name.ends_with(suffix); };
}

NameMatch Glob(std::string pattern) {
  return [pattern = std::move(pattern)](std::string_view name) {
    return fnmatch(pattern.c_str(), std::string(name).c_str(), 0) == 0;
  };
}

Roots::Roots(CdiRoots roots) : roots_(std::move(roots)) {
  roots_.driver_root_here = RootHere(roots_.driver_root_here);
  roots_.dev_root_here = RootHere(roots_.dev_root_here);
  // A driver root need not have device nodes: then they are in this process's own /dev.
  if (!IsDirectory(base::JoinPath(roots_.dev_root_here, "dev"))) roots_.dev_root_here = "/";
  roots_.driver_root_on_host = WithoutTrailingSlashes(roots_.driver_root_on_host);
  roots_.dev_root_on_host = WithoutTrailingSlashes(roots_.dev_root_on_host);
  if (!roots_.stat_char_device) roots_.stat_char_device = StatCharDevice;
  driver_tree_.emplace(roots_.driver_root_here, roots_.driver_root_on_host);
  dev_tree_.emplace(roots_.dev_root_here, roots_.dev_root_on_host);
}

std::optional<TrustedTree::Found> Roots::Look(const TrustedTree& tree,
                                              const std::string& path) const {
  base::Result<TrustedTree::Found> found = tree.Look(path);
  if (found.ok()) return std::move(*found);
  if (found.status().code() == base::Code::kPermissionDenied) {
    refused_.insert_or_assign(path, found.status().message());
  }
  return std::nullopt;
}

bool Roots::IsDriverFile(const std::string& path, FileKind kind) const {
  const auto found = Look(*driver_tree_, path);
  return found && IsOf(found->info.st_mode, kind);
}

std::string Roots::InDriverRoot(const std::string& here) const {
  return roots_.driver_root_here == "/" ? here : here.substr(roots_.driver_root_here.size());
}

bool Roots::MayRun(const std::string& program) const {
  if (!IsHostsRoot(roots_)) return true;
  const std::string here = base::JoinPath(roots_.driver_root_here, program);
  return Look(*driver_tree_, here) || !refused_.contains(here);
}

std::vector<std::string> Roots::Find(const std::vector<std::string>& directories,
                                     std::string_view path, FileKind kind) const {
  std::vector<std::string> found;
  for (const std::string& directory : directories) {
    std::string candidate =
        base::JoinPath(base::JoinPath(roots_.driver_root_here, directory), path);
    if (IsDriverFile(candidate, kind) &&
        std::find(found.begin(), found.end(), candidate) == found.end()) {
      found.push_back(std::move(candidate));
    }
  }
  return found;
}

std::vector<std::string> Roots::Matching(const std::string& directory,
                                         const NameMatch& match) const {
  const std::string here = base::JoinPath(roots_.driver_root_here, directory);
  const base::Result<std::vector<std::string>> names = base::ListDirectory(here);
  std::vector<std::string> found;
  if (!names.ok()) return found;
  for (const std::string& name : *names) {
    std::string path = base::JoinPath(here, name);
    if (match(name) && IsDriverFile(path, FileKind::kFile)) found.push_back(std::move(path));
  }
  return found;
}

void Roots::AddTargets(const std::vector<std::string>& paths,
                       std::vector<std::string>& targets) const {
  for (const std::string& path : paths) {
    const auto found = Look(*driver_tree_, path);
    if (!found || !IsUnder(found->path, roots_.driver_root_here)) continue;
    if (std::find(targets.begin(), targets.end(), found->path) == targets.end()) {
      targets.push_back(found->path);
    }
  }
}

std::vector<std::string> Roots::MatchingTargets(const std::vector<std::string>& directories,
                                                const NameMatch& match) const {
  std::vector<std::string> targets;
  for (const std::string& directory : directories) AddTargets(Matching(directory, match), targets);
  return targets;
}

std::vector<std::string> Roots::Libraries(const NameMatch& match) const {
  std::vector<std::string> found = MatchingTargets(LibraryDirectories(), match);
  return found.empty() ? CachedLibraries(match) : found;
}

std::vector<std::string> Roots::CachedLibraries(const NameMatch& match) const {
  std::vector<std::string> targets;
  const base::Result<std::string> bytes =
      base::ReadFile(base::JoinPath(roots_.driver_root_here, "etc/ld.so.cache"), kLargestLdCache);
  if (!bytes.ok()) return targets;
  const base::Result<std::vector<std::string>> libraries = ParseLdCache(*bytes);
  if (!libraries.ok()) return targets;
  for (const std::string& library : *libraries) {
    const std::string here = base::JoinPath(roots_.driver_root_here, library);
    const std::vector<std::string> names = LinkNames(here);
    if (std::any_of(names.begin(), names.end(), match)) AddTargets({here}, targets);
  }
  return targets;
}

std::vector<DeviceNode> Roots::Node(const std::string& path) const {
  const std::string here = base::JoinPath(roots_.dev_root_here, path);
  const std::optional<CharDevice> device = roots_.stat_char_device(here);
  if (!device || !Look(*dev_tree_, here)) return {};
  return {{.path = path,
           .host_path = here == path ? "" : here,
           .major = device->major,
           .minor = device->minor,
           .file_mode = device->mode,
           .gid = device->gid,
           .permissions = "rwm"}};
}

std::vector<DeviceNode> Roots::Nodes(const std::string& directory, const NameMatch& match) const {
  std::vector<DeviceNode> nodes;
  const base::Result<std::vector<std::string>> names =
      base::ListDirectory(base::JoinPath(roots_.dev_root_here, directory));
  if (!names.ok()) return nodes;
  for (const std::string& name : *names) {
    if (!match(name)) continue;
    for (DeviceNode& node : Node(base::JoinPath(directory, name))) nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<std::string> LinkNames(const std::string& path) {
  std::vector<std::string> names;
  std::filesystem::path current = path;
  for (int i = 0; i < kMostLinks; ++i) {
    names.push_back(current.filename().string());
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(current, error);
    if (error) break;
    current = current.parent_path() / target;  // an absolute target replaces it all
  }
  return names;
}

bool CertainlyMissingOnHost(const CdiRoots& roots, const std::string& program) {
  if (!IsHostsRoot(roots)) return false;
  const base::UniqueFd root(open(roots.driver_root_here.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return false;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;  // absolute links (NixOS, alternatives) are the host's
  const base::UniqueFd file(
      static_cast<int>(syscall(SYS_openat2, root.get(), program.c_str(), &how, sizeof how)));
  return !file.valid() && (errno == ENOENT || errno == ENOTDIR);
}

}  // namespace tranche::cdi
