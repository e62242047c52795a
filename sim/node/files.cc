#include "sim/node/files.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "sim/node/mig.h"

namespace tranche::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kMaxLibraryBytes = 256 << 20;
constexpr char kStatePrefix[] = "libnvidia-simnode.so.";
// Linux' own list of device numbers has 195 for nvidia; the other majors are given out at run time,
// these are what they usually turn out to be.
constexpr unsigned kNvidiaMajor = 195;
constexpr unsigned kControlMinor = 255;
constexpr unsigned kModesetMinor = 254;
constexpr unsigned kUvmMajor = 508;
constexpr unsigned kCapsMajor = 237;

Status MakeDeviceNode(const std::string& path, unsigned major, unsigned minor) {
  if (base::Exists(path)) return Status::Ok();
  TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(path)));
  if (mknod(path.c_str(), S_IFCHR | 0666, makedev(major, minor)) == 0) {
    return chmod(path.c_str(), 0666) == 0 ? Status::Ok() : base::ErrnoStatus(errno, path);
  }
  if (errno == EPERM) return base::WriteFileAtomic(path, "", 0666);
  return base::ErrnoStatus(errno, path);
}

Status Link(const std::string& target, const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return base::ErrnoStatus(errno, path);
  if (symlink(target.c_str(), path.c_str()) != 0) return base::ErrnoStatus(errno, path);
  return Status::Ok();
}

Status CopyFile(const std::string& from, const std::string& to, mode_t mode) {
  Result<std::string> bytes = base::ReadFile(from, kMaxLibraryBytes);
  if (!bytes.ok()) return bytes.status();
  return base::WriteFileAtomic(to, *bytes, mode);
}

Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? base::ErrnoStatus(error.value(), path) : Status::Ok();
}

// One library under its versioned name, with the links ldconfig and the installer make.
Status InstallLibrary(const std::string& from, const std::string& directory,
                      const std::string& name, const std::string& version) {
  const std::string file = name + ".so." + version;
  TRANCHE_TRY(CopyFile(from, directory + "/" + file, 0755));
  TRANCHE_TRY(Link(file, directory + "/" + name + ".so.1"));
  return Link(name + ".so.1", directory + "/" + name + ".so");
}

// The libcuda of the newest CUDA version that is not newer than the driver's.
std::string CudaLibrary(const SimHome& home, unsigned cuda_version) {
  unsigned chosen = 12020;
  for (const unsigned version : {12040U, 13050U}) {
    if (version <= cuda_version) chosen = version;
  }
  return home.path + "/libcuda-" + std::to_string(chosen) + ".so.1";
}

Status InstallLibraries(const SimHome& home, const NodeProfile& profile, const std::string& root) {
  const std::string& version = profile.driver_version;
  const std::string directory = LibraryDirectory(root);
  TRANCHE_TRY(base::MakeDirectories(directory));
  TRANCHE_TRY(InstallLibrary(home.path + "/libnvidia-ml.so.1", directory, "libnvidia-ml", version));
  TRANCHE_TRY(
      InstallLibrary(CudaLibrary(home, profile.cuda_version), directory, "libcuda", version));
  // Present on every real node and looked for by name; nothing calls into them here.
  for (const char* name : {"libnvidia-ptxjitcompiler", "libnvidia-cfg", "libnvidia-nvvm",
                           "libnvidia-opencl", "libnvidia-gpucomp", "libcudadebugger"}) {
    TRANCHE_TRY(InstallLibrary(home.path + "/libnvidia-nothing.so.1", directory, name, version));
  }
  return CopyFile(home.path + "/nvidia-smi", root + "/usr/bin/nvidia-smi", 0755);
}

Status WriteText(const std::string& path, const std::string& text) {
  return base::WriteFileAtomic(path, text, 0444);
}

std::string Hex(unsigned value, int digits) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%0*x\n", digits, value);
  return text;
}

Status WriteProcFiles(const NodeProfile& profile, const std::string& root) {
  const std::string proc = root + "/proc";
  TRANCHE_TRY(WriteText(proc + "/driver/nvidia/version",
                        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " +
                            profile.driver_version + "  (simulated node)\n"));
  TRANCHE_TRY(WriteText(proc + "/driver/nvidia/params",
                        "DeviceFileUID: 0\nDeviceFileGID: 0\nDeviceFileMode: 438\n"
                        "ModifyDeviceFiles: 1\n"));
  TRANCHE_TRY(WriteText(proc + "/devices",
                        "Character devices:\n  1 mem\n195 nvidia\n195 nvidia-modeset\n"
                        "195 nvidiactl\n" +
                            std::to_string(kCapsMajor) + " nvidia-caps\n" +
                            std::to_string(kUvmMajor) + " nvidia-uvm\n\nBlock devices:\n"));
  TRANCHE_TRY(base::MakeDirectories(proc + "/driver/nvidia/gpus"));
  TRANCHE_TRY(base::MakeDirectories(root + "/sys/bus/pci/devices"));
  if (profile.machine.empty()) return Status::Ok();
  return WriteText(root + "/sys/class/dmi/id/product_name", profile.machine + "\n");
}

Status WritePciFiles(const GpuState& gpu, const std::string& root) {
  constexpr unsigned kVgaClass = 0x030000;
  constexpr unsigned k3dClass = 0x030200;
  const unsigned pci_class = gpu.fans > 0 ? kVgaClass : k3dClass;
  const std::string directory = root + "/sys/bus/pci/devices/" + SysBusId(gpu);
  const unsigned vendor = gpu.pci_device_id & 0xFFFF;
  const unsigned device = gpu.pci_device_id >> 16;
  TRANCHE_TRY(WriteText(directory + "/vendor", Hex(vendor, 4)));
  TRANCHE_TRY(WriteText(directory + "/device", Hex(device, 4)));
  TRANCHE_TRY(WriteText(directory + "/subsystem_vendor", Hex(gpu.pci_subsystem_id & 0xFFFF, 4)));
  TRANCHE_TRY(WriteText(directory + "/subsystem_device", Hex(gpu.pci_subsystem_id >> 16, 4)));
  TRANCHE_TRY(WriteText(directory + "/class", Hex(pci_class, 6)));
  TRANCHE_TRY(WriteText(directory + "/numa_node", std::to_string(gpu.numa_node) + "\n"));
  // Start, end and flags of thirteen regions, none of which is shown.
  std::string regions;
  for (int i = 0; i < 13; ++i) {
    regions += "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
  }
  TRANCHE_TRY(WriteText(directory + "/resource", regions));
  // The first 64 bytes of the PCI configuration space, little-endian; the rest is zero.
  std::string config(256, '\0');
  const auto put = [&](std::size_t at, unsigned value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      config[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
    }
  };
  put(0x00, vendor, 2);
  put(0x02, device, 2);
  put(0x09, pci_class, 3);
  put(0x2C, gpu.pci_subsystem_id, 4);
  return WriteText(directory + "/config", config);
}

std::string CapabilityText(unsigned minor) {
  return "DeviceFileMinor: " + std::to_string(minor) +
         "\nDeviceFileMode: 292\nDeviceFileModify: 1\n";
}

std::string CapPath(const std::string& root, unsigned minor) {
  return root + "/dev/nvidia-caps/nvidia-cap" + std::to_string(minor);
}

Status WriteCapability(const std::string& root, const std::string& name, unsigned minor) {
  TRANCHE_TRY(WriteText(root + "/proc/driver/nvidia/capabilities/" + name, CapabilityText(minor)));
  return MakeDeviceNode(CapPath(root, minor), kCapsMajor, minor);
}

Status WriteInstanceFiles(const GpuState& gpu, const GpuInstanceState& instance,
                          const std::string& root) {
  const std::string base =
      "gpu" + std::to_string(gpu.minor) + "/mig/gi" + std::to_string(instance.id);
  TRANCHE_TRY(WriteCapability(root, base + "/access", GpuInstanceCapMinor(gpu.minor, instance.id)));
  for (unsigned i = 0; i < instance.compute_instance_count; ++i) {
    const unsigned id = instance.compute_instances[i].id;
    TRANCHE_TRY(WriteCapability(root, base + "/ci" + std::to_string(id) + "/access",
                                ComputeInstanceCapMinor(gpu.minor, instance.id, id)));
  }
  return Status::Ok();
}

std::string MigMinors(unsigned gpus) {
  std::string text = "config 1\nmonitor 2\n";
  for (unsigned gpu = 0; gpu < gpus; ++gpu) {
    for (unsigned instance = 0; instance < kMaxInstanceId; ++instance) {
      const std::string name = "gpu" + std::to_string(gpu) + "/gi" + std::to_string(instance);
      text += name + "/access " + std::to_string(GpuInstanceCapMinor(gpu, instance)) + "\n";
      for (unsigned compute = 0; compute < kMaxComputeInstances; ++compute) {
        text += name + "/ci" + std::to_string(compute) + "/access " +
                std::to_string(ComputeInstanceCapMinor(gpu, instance, compute)) + "\n";
      }
    }
  }
  return text;
}

}  // namespace

std::string LibraryDirectory(const std::string& root) { return root + "/usr/lib/x86_64-linux-gnu"; }

std::string StatePathFor(const std::string& root, const std::string& driver_version) {
  return LibraryDirectory(root) + "/" + kStatePrefix + driver_version;
}

Result<std::string> StatePath(const std::string& root) {
  Result<std::vector<std::string>> names = base::ListDirectory(LibraryDirectory(root));
  if (names.ok()) {
    for (const std::string& name : *names) {
      if (name.starts_with(kStatePrefix)) return LibraryDirectory(root) + "/" + name;
    }
  }
  return Status(Code::kNotFound, root + " holds no simulated node (tranche sim node create)");
}

Result<DeviceNodes> WriteNodeFiles(const SimHome& home, const NodeProfile& profile,
                                   const std::string& root) {
  TRANCHE_TRY(InstallLibraries(home, profile, root));
  TRANCHE_TRY(WriteProcFiles(profile, root));
  const std::string dev = root + "/dev/";
  TRANCHE_TRY(MakeDeviceNode(dev + "nvidiactl", kNvidiaMajor, kControlMinor));
  TRANCHE_TRY(MakeDeviceNode(dev + "nvidia-modeset", kNvidiaMajor, kModesetMinor));
  TRANCHE_TRY(MakeDeviceNode(dev + "nvidia-uvm", kUvmMajor, 0));
  TRANCHE_TRY(MakeDeviceNode(dev + "nvidia-uvm-tools", kUvmMajor, 1));
  for (const GpuState& gpu : profile.gpus) TRANCHE_TRY(WriteGpuFiles(gpu, root));
  TRANCHE_TRY(WriteMigFiles(profile.gpus, root));
  struct stat about {};
  if (lstat((dev + "nvidiactl").c_str(), &about) != 0) return base::ErrnoStatus(errno, dev);
  return S_ISCHR(about.st_mode) ? DeviceNodes::kCharacter : DeviceNodes::kPlainFiles;
}

Status WriteGpuFiles(const GpuState& gpu, const std::string& root) {
  const std::string minor = std::to_string(gpu.minor);
  TRANCHE_TRY(MakeDeviceNode(root + "/dev/nvidia" + minor, kNvidiaMajor, gpu.minor));
  TRANCHE_TRY(WriteText(root + "/proc/driver/nvidia/gpus/" + SysBusId(gpu) + "/information",
                        std::string("Model: \t\t ") + gpu.name + "\nGPU UUID: \t " + gpu.uuid +
                            "\nVideo BIOS: \t " + gpu.vbios + "\nBus Type: \t PCIe\n" +
                            "Bus Location: \t " + SysBusId(gpu) + "\nDevice Minor: \t " + minor +
                            "\nGPU Excluded:\t No\n"));
  return WritePciFiles(gpu, root);
}

Status RemoveGpuFiles(const GpuState& gpu, const std::string& root) {
  TRANCHE_TRY(RemoveTree(root + "/dev/nvidia" + std::to_string(gpu.minor)));
  TRANCHE_TRY(RemoveTree(root + "/proc/driver/nvidia/gpus/" + SysBusId(gpu)));
  return RemoveTree(root + "/sys/bus/pci/devices/" + SysBusId(gpu));
}

Status WriteMigFiles(const std::vector<GpuState>& gpus, const std::string& root) {
  TRANCHE_TRY(RemoveTree(root + "/dev/nvidia-caps"));
  TRANCHE_TRY(RemoveTree(root + "/proc/driver/nvidia/capabilities"));
  unsigned minors = 0;
  for (const GpuState& gpu : gpus) {
    if (gpu.present && gpu.mig_capable) minors = std::max(minors, gpu.minor + 1);
  }
  if (minors == 0) return RemoveTree(root + "/proc/driver/nvidia-caps");
  TRANCHE_TRY(WriteText(root + "/proc/driver/nvidia-caps/mig-minors", MigMinors(minors)));
  TRANCHE_TRY(WriteCapability(root, "mig/config", 1));
  TRANCHE_TRY(WriteCapability(root, "mig/monitor", 2));
  for (const GpuState& gpu : gpus) {
    if (!gpu.present) continue;
    for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
      TRANCHE_TRY(WriteInstanceFiles(gpu, gpu.gpu_instances[i], root));
    }
  }
  return Status::Ok();
}

}  // namespace tranche::sim
