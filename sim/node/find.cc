#include "sim/node/find.h"

#include <dirent.h>
#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string_view>

namespace tranche::sim {
namespace {

constexpr std::string_view kStateFilePrefix = "libnvidia-simnode.so.";
constexpr std::string_view kSocket = "/run/nvidia-persistenced/socket";

// Where a driver's libraries lie below its root: Debian, Debian's own packages, Red Hat, and the
// folders of container images and of GKE. A folder comes before those that its name ends with.
constexpr std::string_view kLibraryFolders[] = {
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
};

std::string RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) == nullptr ? "" : resolved;
}

// With its slash; "" of a name without any.
std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// "550.163.01" of ".../libcuda.so.550.163.01".
std::string VersionOf(const std::string& library) {
  const auto at = library.find(".so.", library.rfind('/') + 1);
  return at == std::string::npos ? "" : library.substr(at + 4);
}

std::string StateFileIn(const std::string& folder, const std::string& version) {
  if (folder.empty()) return "";
  DIR* const directory = opendir(folder.c_str());
  if (directory == nullptr) return "";
  std::string best;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(kStateFilePrefix)) continue;
    const bool own = name.substr(kStateFilePrefix.size()) == version;
    if (own || name > best) best = name;
    if (own) break;
  }
  closedir(directory);
  if (best.empty()) return "";
  return folder + (folder.back() == '/' ? "" : "/") + best;
}

}  // namespace

std::string FindStateFile(const void* address) {
  const char* const named = secure_getenv("TRANCHE_SIM_NODE");
  if (named != nullptr && *named != '\0') return named;
  std::string opened;
  if (Dl_info info{}; dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
    opened = info.dli_fname;
  }
  const std::string file = RealPath(opened);
  const std::string version = VersionOf(file);
  for (const std::string& folder : {FolderOf(file), FolderOf(opened)}) {
    if (std::string found = StateFileIn(folder, version); !found.empty()) return found;
  }
  const char* const path = secure_getenv("LD_LIBRARY_PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const auto end = rest.find_first_of(":;");
    if (std::string found = StateFileIn(std::string(rest.substr(0, end)), version);
        !found.empty()) {
      return found;
    }
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  for (const std::string_view folder : kLibraryFolders) {
    if (std::string found = StateFileIn(std::string(folder), version); !found.empty()) {
      return found;
    }
  }
  return "";
}

std::string FindDriverSocket(const std::string& state_file) {
  if (state_file.empty()) return "";
  std::string first;
  for (const std::string& path : {state_file, RealPath(state_file)}) {
    const std::string_view file = path;
    if (file.rfind('/') == std::string_view::npos) continue;
    const std::string_view folder = file.substr(0, file.rfind('/'));
    for (const std::string_view libraries : kLibraryFolders) {
      if (!folder.ends_with(libraries)) continue;
      std::string socket(folder.substr(0, folder.size() - libraries.size()));
      socket += kSocket;
      if (access(socket.c_str(), F_OK) == 0) return socket;
      if (first.empty()) first = socket;
      break;
    }
  }
  return first.empty() ? std::string(kSocket) : first;
}

}  // namespace tranche::sim
