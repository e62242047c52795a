#include "cdi/testing/driver_tree.h"

#include <elf.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <map>

#include "base/file.h"

namespace tranche::cdi::testing {
namespace {

struct Named {
  const char* name;
  const char* soname;
};

const std::map<std::string, CharDevice>& TestNodes() {
  static const std::map<std::string, CharDevice> nodes = {
      {"/dev/nvidia0", {.major = 195, .minor = 0, .mode = 0666, .gid = 0}},
      {"/dev/nvidia1", {.major = 195, .minor = 1, .mode = 0666, .gid = 0}},
      {"/dev/nvidiactl", {.major = 195, .minor = 255, .mode = 0666, .gid = 0}},
      {"/dev/nvidia-uvm", {.major = 510, .minor = 0, .mode = 0666, .gid = 0}},
      {"/dev/nvidia-uvm-tools", {.major = 510, .minor = 1, .mode = 0660, .gid = 44}},
      {"/dev/nvidia-caps/nvidia-cap12", {.major = 511, .minor = 12, .mode = 0444, .gid = 0}},
      {"/dev/nvidia-caps/nvidia-cap13", {.major = 511, .minor = 13, .mode = 0444, .gid = 0}},
      {"/dev/dri/card1", {.major = 226, .minor = 1, .mode = 0660, .gid = 44}},
      {"/dev/dri/renderD128", {.major = 226, .minor = 128, .mode = 0660, .gid = 44}},
      {"/dev/nvidia-fs0", {.major = 241, .minor = 0, .mode = 0644, .gid = 0}},
      {"/dev/nvidia-fs1", {.major = 241, .minor = 1, .mode = 0644, .gid = 0}},
      {"/dev/gdrdrv", {.major = 240, .minor = 0, .mode = 0600, .gid = 0}},
      {"/dev/infiniband/uverbs0", {.major = 231, .minor = 192, .mode = 0644, .gid = 0}},
      {"/dev/infiniband/rdma_cm", {.major = 10, .minor = 58, .mode = 0644, .gid = 0}},
      {"/dev/nvidia-caps-imex-channels/channel0",
       {.major = 235, .minor = 0, .mode = 0666, .gid = 0}},
  };
  return nodes;
}

template <class T>
void AppendBytes(std::string& to, const T& value) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  to.append(bytes.data(), bytes.size());
}

}  // namespace

void TestDirectory::Write(const std::string& path, std::string_view bytes, unsigned mode) const {
  if (!base::WriteFileAtomic(directory_ / path, bytes, mode).ok()) std::abort();
}

void TestDirectory::Link(const std::string& target, const std::string& path) const {
  const std::string link = directory_ / path;
  if (!base::MakeDirectories(base::ParentDirectory(link)).ok()) std::abort();
  std::filesystem::create_symlink(target, link);
}

void TestDirectory::Socket(const std::string& path) const {
  const std::string place = directory_ / path;
  if (!base::MakeDirectories(base::ParentDirectory(place)).ok()) std::abort();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (place.size() >= sizeof address.sun_path) std::abort();
  place.copy(&address.sun_path[0], place.size());
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::abort();
  }
}

void TestDirectory::Remove(const std::string& path) const {
  std::filesystem::remove_all(directory_ / path);
}

std::string TestLibrary(const std::string& soname) {
  constexpr std::uint64_t kAddress = 0x1000;  // where the file would be loaded
  constexpr std::uint64_t kDynamic = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
  constexpr std::uint64_t kStrings = kDynamic + 3 * sizeof(Elf64_Dyn);
  Elf64_Ehdr header{};
  std::memcpy(&header.e_ident[0], ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  const std::string strings = std::string(1, '\0') + soname + std::string(1, '\0');
  Elf64_Phdr load{};
  load.p_type = PT_LOAD;
  load.p_vaddr = kAddress;
  load.p_filesz = kStrings + strings.size();
  Elf64_Phdr dynamic{};
  dynamic.p_type = PT_DYNAMIC;
  dynamic.p_offset = kDynamic;
  dynamic.p_filesz = 3 * sizeof(Elf64_Dyn);
  std::string file;
  AppendBytes(file, header);
  AppendBytes(file, load);
  AppendBytes(file, dynamic);
  AppendBytes(file, Elf64_Dyn{.d_tag = DT_STRTAB, .d_un = {.d_val = kAddress + kStrings}});
  AppendBytes(file, Elf64_Dyn{.d_tag = soname.empty() ? DT_NULL : DT_SONAME, .d_un = {.d_val = 1}});
  AppendBytes(file, Elf64_Dyn{.d_tag = DT_NULL, .d_un = {.d_val = 0}});
  return file + strings;
}

std::string TestLdCache(const std::vector<TestCacheEntry>& entries) {
  constexpr std::uint32_t kHeader = 48;
  constexpr std::uint32_t kEntry = 24;
  std::string bytes = "glibc-ld.so.cache1.1";
  AppendBytes(bytes, static_cast<std::uint32_t>(entries.size()));
  bytes.resize(kHeader);
  std::string texts;
  const std::uint32_t start = kHeader + kEntry * static_cast<std::uint32_t>(entries.size());
  for (const TestCacheEntry& entry : entries) {
    const std::uint32_t offset = start + static_cast<std::uint32_t>(texts.size());
    AppendBytes(bytes, entry.flags);
    AppendBytes(bytes, offset);  // key
    AppendBytes(bytes, offset);  // value
    bytes.resize(bytes.size() + sizeof(std::uint32_t) + sizeof(std::uint64_t));
    texts += entry.path + std::string(1, '\0');
  }
  return bytes + texts;
}

TestDriverTree::TestDriverTree(const std::string& libraries) {
  AddLibraries(libraries);
  AddFiles();
  AddNodes();
}

void TestDriverTree::AddLibraries(const std::string& directory) const {
  const std::string version = kTestVersion;
  const auto library = [&](const std::string& name, const std::string& soname) {
    Write(directory + "/" + name, TestLibrary(soname), 0755);
  };
  const auto link = [&](const std::string& target, const std::string& name) {
    Link(target, directory + "/" + name);
  };
  for (const auto& [name, soname] : std::initializer_list<Named>{
           {"libcuda.so.", "libcuda.so.1"},
           {"libnvidia-ml.so.", "libnvidia-ml.so.1"},
           {"libnvidia-ptxjitcompiler.so.", "libnvidia-ptxjitcompiler.so.1"},
           {"libGLX_nvidia.so.", "libGLX_nvidia.so.0"},
           {"libEGL_nvidia.so.", "libEGL_nvidia.so.0"},
           {"libnvidia-opticalflow.so.", "libnvidia-opticalflow.so.1"},
           {"libnvidia-allocator.so.", "libnvidia-allocator.so.1"},
           {"libnvidia-encode.so.", "libnvidia-encode.so.1"},
           {"libnvidia-vulkan-producer.so.", "libnvidia-vulkan-producer.so"}}) {
    library(name + version, soname);
    link(name + version, soname);
  }
  link("libcuda.so.1", "libcuda.so");
  link("libnvidia-ml.so.1", "libnvidia-ml.so");
  library("libnvidia-glcore.so." + version, "libnvidia-glcore.so." + version);
  library("libnvidia-nosoname.so." + version, "");
  link("libnvidia-nosoname.so." + version, "libnvidia-nosoname.so");
  Write(directory + "/libnvidia-cfg.so." + version, "no ELF file\n");
  library("vdpau/libvdpau_nvidia.so." + version, "libvdpau_nvidia.so.1");
  link("libvdpau_nvidia.so." + version, "vdpau/libvdpau_nvidia.so.1");
  library("libnvidia-egl-gbm.so.1.1.2", "libnvidia-egl-gbm.so.1");
  library("libnvidia-egl-wayland.so.1.1.19", "libnvidia-egl-wayland.so.1");
  library("libEGL.so.1.1.0", "libEGL.so.1");
  link("libEGL.so.1.1.0", "libEGL.so.1");
  link("libEGL.so.1", "libEGL.so");
  library("libOpenCL.so.1.0.0", "libOpenCL.so.1");
  link("libOpenCL.so.1.0.0", "libOpenCL.so");
  Write(directory + "/nvidia/xorg/libglxserver_nvidia.so." + version);
}

void TestDriverTree::AddFiles() const {
  for (const char* program :
       {"usr/bin/nvidia-smi", "usr/sbin/nvidia-smi", "usr/bin/nvidia-debugdump",
        "usr/bin/nvidia-persistenced", "usr/bin/nvidia-cuda-mps-control",
        "usr/bin/nvidia-cuda-mps-server"}) {
    Write(program, "#!/bin/sh\n", 0755);
  }
  for (const char* file :
       {"usr/bin/nvidia-imex",  // not executable: not one of the tools
        "usr/lib/xorg/modules/drivers/nvidia_drv.so",
        "lib/firmware/nvidia/570.172.08/gsp_ga10x.bin",
        "lib/firmware/nvidia/570.172.08/gsp_tu10x.bin", "lib/firmware/nvidia/570.172.08/other.bin",
        "run/udev/control", "etc/cufile.json", "usr/share/glvnd/egl_vendor.d/10_nvidia.json",
        "usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json", "usr/share/nvidia/nvoptix.bin",
        "usr/share/vulkan/icd.d/nvidia_icd.json", "etc/vulkan/icd.d/nvidia_icd.x86_64.json",
        "usr/share/X11/xorg.conf.d/nvidia-drm-outputclass.conf",
        "vulkan/implicit_layer.d/nvidia_layers.json"}) {
    Write(file);
  }
  Socket("run/nvidia-persistenced/socket");
}

void TestDriverTree::AddNodes() const {
  for (const auto& [path, numbers] : TestNodes()) Write(path);
  Write("dev/regular");
  Link("../card1", "dev/dri/by-path/pci-0000:07:00.0-card");
  Link("../renderD128", "dev/dri/by-path/pci-0000:07:00.0-render");
}

CdiRoots TestDriverTree::roots(const std::string& on_host) const {
  CdiRoots roots;
  roots.driver_root_here = path();
  roots.driver_root_on_host = on_host;
  roots.dev_root_here = path();
  roots.dev_root_on_host = on_host;
  roots.hook_path = "/usr/bin/nvidia-ctk";
  roots.sys_here = path() + "/sys";
  roots.stat_char_device = [root = path()](const std::string& node) -> std::optional<CharDevice> {
    if (!node.starts_with(root) || !base::Exists(node)) return std::nullopt;
    const auto found = TestNodes().find(node.substr(root.size()));
    if (found == TestNodes().end()) return std::nullopt;
    return found->second;
  };
  return roots;
}

gpu::Inventory TestInventory() {
  gpu::Inventory inventory;
  inventory.driver_version = kTestVersion;
  for (unsigned i = 0; i < 2; ++i) {
    gpu::Gpu gpu;
    gpu.uuid = "GPU-0000000" + std::to_string(i) + "-1111-2222-3333-444444444444";
    gpu.index = i;
    gpu.minor = i;
    gpu.pci_bus_id = "0000:0" + std::to_string(7 + i) + ":00.0";
    inventory.gpus.push_back(std::move(gpu));
  }
  return inventory;
}

}  // namespace tranche::cdi::testing
