#include "cdi/driver.h"

#include <sys/utsname.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "cdi/libraries.h"

namespace tranche::cdi {
namespace {

using base::JoinPath;
using base::Result;
using base::Status;

// Directories of a PATH-like text, in order.
std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> directories;
  while (!path.empty()) {
    const std::size_t colon = path.find(':');
    if (colon != 0) directories.emplace_back(path.substr(0, colon));
    path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
  }
  return directories;
}

void AddAll(const Roots& roots, const std::vector<std::string>& files, Edits& edits) {
  for (const std::string& file : files) edits.mounts.push_back(ReadOnlyMount(roots, file));
}

void AddFirst(const Roots& roots, const std::vector<std::string>& files, Edits& edits) {
  if (!files.empty()) edits.mounts.push_back(ReadOnlyMount(roots, files.front()));
}

void AddNodes(std::vector<DeviceNode> nodes, Edits& edits) {
  for (DeviceNode& node : nodes) edits.device_nodes.push_back(std::move(node));
}

std::vector<std::string> ConfigDirectories(const Roots& roots) {
  std::vector<std::string> directories = Split(roots.raw().data_path);
  directories.insert(directories.begin(), "/etc");
  return directories;
}

void AddGraphicsConfigs(const Roots& roots, Edits& edits) {
  const std::vector<std::string> directories = ConfigDirectories(roots);
  for (const char* file :
       {"glvnd/egl_vendor.d/10_nvidia.json", "egl/egl_external_platform.d/15_nvidia_gbm.json",
        "egl/egl_external_platform.d/10_nvidia_wayland.json", "nvidia/nvoptix.bin",
        "X11/xorg.conf.d/10-nvidia.conf", "X11/xorg.conf.d/nvidia-drm-outputclass.conf"}) {
    AddAll(roots, roots.Find(directories, file), edits);
  }
}

// Vulkan reads /etc/vulkan, wherever the driver's packages put the files (GKE: /vulkan).
void AddVulkanConfigs(const Roots& roots, Edits& edits) {
#if defined(__aarch64__)
  constexpr const char* kIcdOfMachine = "vulkan/icd.d/nvidia_icd.aarch64.json";
#else
  constexpr const char* kIcdOfMachine = "vulkan/icd.d/nvidia_icd.x86_64.json";
#endif
  std::vector<std::string> directories = ConfigDirectories(roots);
  directories.emplace_back("/");
  for (const char* file : {"vulkan/icd.d/nvidia_icd.json", "vulkan/icd.d/nvidia_layers.json",
                           "vulkan/implicit_layer.d/nvidia_layers.json", kIcdOfMachine}) {
    const std::vector<std::string> found = roots.Find(directories, file);
    if (found.empty()) continue;
    edits.mounts.push_back(ReadOnlyMount(roots, found.front(), JoinPath("/etc", file)));
  }
}

// The socket of MPS is none of them: it is in /tmp, where everybody can put something in its place.
void AddSockets(const Roots& roots, Edits& edits) {
  Edits sockets;
  for (const char* socket : {"nvidia-persistenced/socket", "nvidia-fabricmanager/socket"}) {
    AddFirst(roots, roots.Find({"/run", "/var/run"}, socket, FileKind::kSocket), sockets);
  }
  for (Mount& mount : sockets.mounts) {
    // Not "ro": a client writes to a socket.
    mount.options = {"nosuid", "nodev", "rbind", "rprivate", "noexec"};
    edits.mounts.push_back(std::move(mount));
  }
}

// The kernel's own search order for firmware: Documentation/driver-api/firmware/fw_search_path.rst.
std::vector<std::string> FirmwareDirectories(const Roots& roots) {
  std::vector<std::string> directories;
  constexpr std::size_t kLongest = 4096;
  const Result<std::string> custom = base::ReadFile(
      JoinPath(roots.raw().sys_here, "module/firmware_class/parameters/path"), kLongest);
  if (custom.ok()) directories = Split(custom->substr(0, custom->find_last_not_of(" \n\t") + 1));
  utsname kernel{};
  const std::string release = uname(&kernel) == 0 ? &kernel.release[0] : "";
  for (const std::string directory : {"/lib/firmware/updates", "/lib/firmware"}) {
    if (!release.empty()) directories.push_back(JoinPath(directory, release));
    directories.push_back(directory);
  }
  return directories;
}

void AddFirmware(const Roots& roots, const std::string& version, Edits& edits) {
  for (const std::string& directory : FirmwareDirectories(roots)) {
    const std::string of_version = JoinPath(JoinPath(directory, "nvidia"), version);
    AddAll(roots, roots.Matching(of_version, Glob("gsp*.bin")), edits);
    AddAll(roots, roots.Matching(of_version, Glob("ucodes*.bin")), edits);
  }
}

void AddPrograms(const Roots& roots, Edits& edits) {
  std::vector<std::string> directories = Split(roots.raw().program_path);
  for (const char* usual :
       {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    directories.emplace_back(usual);
  }
  for (const char* program :
       {"nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nvidia-cuda-mps-control",
        "nvidia-cuda-mps-server", "nvidia-imex", "nvidia-imex-ctl"}) {
    AddFirst(roots, roots.Find(directories, program, FileKind::kExecutable), edits);
  }
}

// Nodes of the GPU's display side, by what the kernel lists under its PCI device.
std::vector<std::string> DrmNames(const Roots& roots, const std::string& pci_bus_id) {
  const std::string directory = JoinPath(roots.raw().sys_here, "bus/pci/devices/" + pci_bus_id);
  const Result<std::vector<std::string>> names = base::ListDirectory(JoinPath(directory, "drm"));
  return names.ok() ? *names : std::vector<std::string>();
}

// /dev/dri/by-path/pci-…: the names of those nodes that stay the same over reboots.
std::vector<Link> DrmLinks(const Roots& roots, const gpu::Gpu& gpu, const Edits& edits) {
  std::vector<Link> links;
  for (const char* kind : {"-card", "-render"}) {
    const std::string path = "/dev/dri/by-path/pci-" + gpu.pci_bus_id + kind;
    std::error_code error;
    const std::filesystem::path target =
        std::filesystem::read_symlink(JoinPath(roots.raw().dev_root_here, path), error);
    if (error) continue;
    const std::filesystem::path node =
        (std::filesystem::path("/dev/dri/by-path") / target).lexically_normal();
    for (const DeviceNode& mounted : edits.device_nodes) {
      if (mounted.path == node) links.push_back({.target = target, .path = path, .library = ""});
    }
  }
  return links;
}

Result<Edits> NodesOf(const Roots& roots, const std::vector<std::string>& paths) {
  Edits edits;
  for (const std::string& path : paths) {
    std::vector<DeviceNode> node = roots.Node(path);
    if (node.empty()) {
      const std::string here = JoinPath(roots.raw().dev_root_here, path);
      const auto refused = roots.Refused().find(here);
      return Status(base::Code::kFailedPrecondition, refused != roots.Refused().end()
                                                         ? here + ": " + refused->second
                                                         : here + " is no character device");
    }
    AddNodes(std::move(node), edits);
  }
  return edits;
}

}  // namespace

Result<Edits> DriverEdits(const Roots& roots, const HookWriter& hooks, const std::string& version,
                          DriverFeatures features) {
  const Result<DriverLibraries> libraries =
      FindDriverLibraries(roots, version, features.explicit_libraries);
  if (!libraries.ok()) return libraries.status();
  Edits edits;
  for (const char* node :
       {"/dev/nvidia-modeset", "/dev/nvidia-uvm-tools", "/dev/nvidia-uvm", "/dev/nvidiactl"}) {
    AddNodes(roots.Node(node), edits);
  }
  edits.mounts = libraries->graphics.mounts;
  AddGraphicsConfigs(roots, edits);
  AddVulkanConfigs(roots, edits);
  for (const Mount& mount : libraries->compute.mounts) edits.mounts.push_back(mount);
  if (features.sockets) AddSockets(roots, edits);
  AddFirmware(roots, version, edits);
  AddPrograms(roots, edits);
  hooks.CreateLinks(edits, libraries->graphics.links, roots);
  hooks.CreateLinks(edits, libraries->compute.links, roots);
  hooks.EnableCudaCompat(edits, version);
  hooks.UpdateLinkerCache(edits, *libraries, roots);
  hooks.DisableDeviceNodeModification(edits);
  hooks.UpdateApplicationProfile(edits);
  edits.env = {"NVIDIA_CTK_LIBCUDA_DIR=" + base::Join(libraries->directories, ":")};
  return edits;
}

Result<Edits> GpuEdits(const Roots& roots, const HookWriter& hooks, const gpu::Gpu& gpu) {
  Result<Edits> edits = NodesOf(roots, {"/dev/nvidia" + std::to_string(gpu.minor)});
  if (!edits.ok()) return edits;
  for (const std::string& name : DrmNames(roots, gpu.pci_bus_id)) {
    AddNodes(roots.Node("/dev/dri/" + name), *edits);
  }
  hooks.CreateLinks(*edits, DrmLinks(roots, gpu, *edits), roots);
  return edits;
}

Result<Edits> MigEdits(const Roots& roots, const gpu::MigDevice& device) {
  return NodesOf(roots, device.device_paths);
}

Edits GdrcopyEdits(const Roots& roots) {
  Edits edits;
  AddNodes(roots.Node("/dev/gdrdrv"), edits);
  return edits;
}

Edits GdsEdits(const Roots& roots) {
  Edits edits;
  AddNodes(roots.Nodes("/dev", Glob("nvidia-fs*")), edits);
  if (edits.empty()) return edits;
  AddAll(roots, roots.Find({"/run"}, "udev", FileKind::kDirectory), edits);
  AddAll(roots, roots.Find({"/etc"}, "cufile.json"), edits);
  return edits;
}

Edits MofedEdits(const Roots& roots) {
  Edits edits;
  AddNodes(roots.Nodes("/dev/infiniband", Glob("uverbs*")), edits);
  AddNodes(roots.Node("/dev/infiniband/rdma_cm"), edits);
  return edits;
}

}  // namespace tranche::cdi
