#include "cdi/libraries.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "cdi/elf.h"

namespace tranche::cdi {
namespace {

using base::BaseName;
using base::JoinPath;
using base::ParentDirectory;
using base::Result;
using base::Status;

// Libraries beside the driver's that feature flag "enable-explicit-driver-libraries" adds.
constexpr std::array<std::string_view, 11> kExplicitLibraries = {"libEGL.so",
                                                                 "libGL.so",
                                                                 "libGLESv1_CM.so",
                                                                 "libGLESv2.so",
                                                                 "libGLX.so",
                                                                 "libGLdispatch.so",
                                                                 "libOpenCL.so",
                                                                 "libOpenGL.so",
                                                                 "libnvidia-api.so",
                                                                 "libnvidia-egl-xcb.so",
                                                                 "libnvidia-egl-xlib.so"};

bool IsSymbolicLink(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

// "libcuda.so" from "libcuda.so.1"; none where no ".so" is left or it ends so already.
std::optional<std::string> WithoutVersion(const std::string& name) {
  std::string rest = name;
  while (!rest.ends_with(".so")) {
    const std::size_t dot = rest.rfind('.');
    if (dot == std::string::npos) return std::nullopt;
    rest.resize(dot);
  }
  if (rest == name) return std::nullopt;
  return rest;
}

class LinkMaker {
 public:
  explicit LinkMaker(LibrarySet& set) : set_(set) {}

  void Add(const Mount& mount) {
    SetLibrary(mount);
    AddFixed();
    AddByName();
  }

  // Only what ldconfig would do.
  void AddSoname(const Mount& mount) {
    SetLibrary(mount);
    const Result<std::string> soname = ReadSoname(library_);
    if (soname.ok() && !soname->empty() && *soname != name_) {
      AddOnce(set_.soname_links, name_, *soname);
    }
  }

 private:
  void SetLibrary(const Mount& mount) {
    directory_ = ParentDirectory(mount.container_path);
    name_ = BaseName(mount.container_path);
    library_ = mount.host_path;
  }

  void AddLink(const std::string& target, const std::string& name) {
    AddOnce(set_.links, target, name);
  }

  void AddOnce(std::vector<Link>& links, const std::string& target, const std::string& name) const {
    Link link{.target = target, .path = JoinPath(directory_, name), .library = library_};
    const bool known = std::any_of(links.begin(), links.end(), [&link](const Link& other) {
      return other.target == link.target && other.path == link.path;
    });
    if (!known) links.push_back(std::move(link));
  }

  // Links that programs rely on whether or not the driver's packages made them.
  void AddFixed() {
    if (Glob("libcuda.so.*.*")(name_)) AddLink("libcuda.so.1", "libcuda.so");
    if (Glob("libGLX_nvidia.so.*.*")(name_)) AddLink(name_, "libGLX_indirect.so.0");
    if (Glob("libnvidia-opticalflow.so.*.*")(name_)) {
      AddLink("libnvidia-opticalflow.so.1", "libnvidia-opticalflow.so");
    }
  }

  // The chain name.so -> SONAME -> file, as far as the driver root has it.
  void AddByName() {
    if (!Glob("*.*.*")(name_)) return;
    const Result<std::string> soname = ReadSoname(library_);
    if (!soname.ok()) return;
    const std::string wanted = soname->empty() ? name_ : *soname;
    const std::string beside = ParentDirectory(library_);
    if (wanted != name_) {
      if (IsSymbolicLink(JoinPath(beside, wanted))) AddLink(name_, wanted);
      AddOnce(set_.soname_links, name_, wanted);
    }
    const std::optional<std::string> plain = WithoutVersion(wanted);
    if (plain && IsSymbolicLink(JoinPath(beside, *plain))) AddLink(wanted, *plain);
  }

  LibrarySet& set_;
  std::string directory_;  // of the library at hand, in the container
  std::string name_;
  std::string library_;
};

std::vector<std::string> DirectoriesOf(const Roots& roots, const std::vector<std::string>& files) {
  std::vector<std::string> directories;
  for (const std::string& file : files) {
    std::string directory = ParentDirectory(roots.InDriverRoot(file));
    if (std::find(directories.begin(), directories.end(), directory) == directories.end()) {
      directories.push_back(std::move(directory));
    }
  }
  return directories;
}

// Where the driver's libraries are; packages may spread them over several directories.
Result<std::vector<std::string>> LibraryDirectories(const Roots& roots,
                                                    const std::string& version) {
  for (const char* library : {"libcuda.so.", "libnvidia-ml.so."}) {
    const std::string wanted = library + version;
    const std::vector<std::string> found =
        roots.Libraries([&wanted](std::string_view name) { return name == wanted; });
    if (found.empty()) continue;
    if (BaseName(found.front()) == wanted) {
      return DirectoriesOf(roots, roots.Libraries(Glob("lib*.so." + version)));
    }
    return Status(base::Code::kFailedPrecondition,
                  found.front() + " is in place of " + wanted + ": not one driver version");
  }
  std::string why = "libcuda.so." + version + " is in no library directory of the driver root " +
                    roots.raw().driver_root_here;
  for (const auto& [path, refusal] : roots.Refused()) {
    if (!BaseName(path).starts_with("libcuda.so.")) continue;
    why.append("; ").append(path).append(" is left out: ").append(refusal);
  }
  return Status(base::Code::kFailedPrecondition, std::move(why));
}

void AddMounts(const Roots& roots, const std::vector<std::string>& files,
               std::vector<Mount>& mounts) {
  for (const std::string& file : files) {
    Mount mount = ReadOnlyMount(roots, file);
    if (std::find(mounts.begin(), mounts.end(), mount) == mounts.end()) {
      mounts.push_back(std::move(mount));
    }
  }
}

LibrarySet ComputeLibraries(const Roots& roots, const DriverLibraries& driver,
                            const std::string& version, bool with_explicit_libraries) {
  LibrarySet set;
  std::vector<std::string> directories = driver.directories;
  for (const std::string& directory : driver.directories) {
    directories.push_back(JoinPath(directory, "vdpau"));
  }
  AddMounts(roots, roots.MatchingTargets(directories, EndsWith(".so." + version)), set.mounts);
  // It has a version of its own.
  AddMounts(roots, roots.MatchingTargets(driver.directories, Glob("libnvidia-nvvm70.so.*")),
            set.mounts);
  if (with_explicit_libraries) {
    for (const std::string_view wanted : kExplicitLibraries) {
      const NameMatch match = [wanted](std::string_view name) { return name == wanted; };
      AddMounts(roots, roots.MatchingTargets(driver.directories, match), set.mounts);
    }
  }
  LinkMaker links(set);
  for (const Mount& mount : set.mounts) links.Add(mount);
  return set;
}

// X server modules are in one of these, the first that has them.
std::vector<std::string> XorgDirectories(const std::string& library_directory) {
  std::vector<std::string> directories = {JoinPath(library_directory, "nvidia/xorg")};
  for (const std::string& base : {JoinPath(library_directory, "xorg"), std::string("/usr/lib/xorg"),
                                  std::string("/usr/lib64/xorg"), std::string("/usr/X11R6/lib"),
                                  std::string("/usr/X11R6/lib64")}) {
    for (const char* part : {"modules/drivers", "modules/extensions", "modules/updates/drivers",
                             "modules/updates/extensions"}) {
      directories.push_back(JoinPath(base, part));
    }
  }
  return directories;
}

std::optional<Link> GraphicsLink(const Mount& mount) {
  const std::string name = BaseName(mount.container_path);
  const std::string directory = ParentDirectory(mount.container_path);
  // GBM looks for its back end by this name; the loader has the other end by then.
  if (Glob("libnvidia-allocator.so.*.*")(name)) {
    return Link{.target = "../libnvidia-allocator.so.1",
                .path = JoinPath(directory, "gbm/nvidia-drm_gbm.so"),
                .library = mount.host_path};
  }
  for (const std::string library : {"libnvidia-vulkan-producer.so", "libglxserver_nvidia.so"}) {
    if (Glob(library + ".*.*")(name)) {
      return Link{.target = name, .path = JoinPath(directory, library), .library = mount.host_path};
    }
  }
  return std::nullopt;
}

LibrarySet GraphicsLibraries(const Roots& roots, const DriverLibraries& driver,
                             const std::string& version) {
  std::vector<Mount> found;
  // The first two have versions of their own.
  AddMounts(roots, roots.Libraries(Glob("libnvidia-egl-gbm.so.*.*")), found);
  AddMounts(roots, roots.Libraries(Glob("libnvidia-egl-wayland.so.*.*")), found);
  for (const std::string library : {"libnvidia-allocator.so.", "libnvidia-vulkan-producer.so."}) {
    const NameMatch match = [wanted = library + version](std::string_view name) {
      return name == wanted;
    };
    AddMounts(roots, roots.Libraries(match), found);
  }
  std::vector<std::string> xorg;
  for (const std::string& directory : driver.directories) {
    for (std::string& place : XorgDirectories(directory)) xorg.push_back(std::move(place));
  }
  for (const std::string& file :
       {std::string("nvidia_drv.so"), "libglxserver_nvidia.so." + version}) {
    std::vector<std::string> places = roots.Find(xorg, file);
    if (!places.empty()) AddMounts(roots, {places.front()}, found);
  }
  LibrarySet set;
  for (Mount& mount : found) {
    if (std::optional<Link> link = GraphicsLink(mount)) set.links.push_back(std::move(*link));
    // The allocator is one of the compute libraries too, and there it stays.
    if (!BaseName(mount.container_path).starts_with("libnvidia-allocator.so.")) {
      set.mounts.push_back(std::move(mount));
    }
  }
  LinkMaker links(set);
  for (const Mount& mount : set.mounts) {
    if (IsLibraryName(BaseName(mount.container_path))) links.AddSoname(mount);
  }
  return set;
}

}  // namespace

Mount ReadOnlyMount(const Roots& roots, const std::string& here, std::string container_path) {
  if (container_path.empty()) container_path = roots.InDriverRoot(here);
  return {.host_path = here,
          .container_path = std::move(container_path),
          .options = {"ro", "nosuid", "nodev", "rbind", "rprivate"}};
}

bool IsLibraryName(const std::string& name) {
  if (!Glob("lib?*.so*")(name)) return false;
  const std::string rest = name.substr(name.rfind(".so") + 3);
  return rest.empty() || rest.starts_with('.');
}

Result<DriverLibraries> FindDriverLibraries(const Roots& roots, const std::string& version,
                                            bool with_explicit_libraries) {
  DriverLibraries libraries;
  Result<std::vector<std::string>> directories = LibraryDirectories(roots, version);
  if (!directories.ok()) return directories.status();
  libraries.directories = std::move(*directories);
  libraries.graphics = GraphicsLibraries(roots, libraries, version);
  libraries.compute = ComputeLibraries(roots, libraries, version, with_explicit_libraries);
  return libraries;
}

}  // namespace tranche::cdi
