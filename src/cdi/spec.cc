#include "cdi/spec.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "cdi/driver.h"
#include "cdi/edits.h"
#include "cdi/hooks.h"
#include "cdi/root.h"

namespace tranche::cdi {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

// Upstream's, as are the device classes and file names: pods' stored answers name them.
constexpr std::string_view kVendor = "k8s.device-plugin.nvidia.com";
constexpr std::size_t kLargestSpec = 16U << 20U;
constexpr std::size_t kLongestVersion = 80;  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE

// It becomes part of file names, and comes from the driver's library.
bool IsVersion(const std::string& version) {
  return !version.empty() && version.size() <= kLongestVersion &&
         version.find('.') != std::string::npos && version.find("..") == std::string::npos &&
         std::all_of(version.begin(), version.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == '+';
         });
}

bool HasDevices(const gpu::Inventory& inventory) {
  return std::any_of(inventory.gpus.begin(), inventory.gpus.end(), [](const gpu::Gpu& gpu) {
    return !gpu.mig_enabled || !gpu.mig_devices.empty();
  });
}

// ".../dev" of a root that may be given with or without it.
std::string DevDirectory(std::string root) {
  if (root == "/dev") return root;
  if (root.ends_with("/dev")) root.resize(root.size() - std::string_view("/dev").size());
  return base::JoinPath(root, "dev");
}

// Tells the NVIDIA container runtime that a container's devices come from elsewhere, where it goes
// by mounts. The device is the host's own, in whichever root the driver is.
Mount VoidDevice() {
  return {.host_path = "/dev/null",
          .container_path = "/var/run/nvidia-container-devices/void",
          .options = {"ro", "nosuid", "nodev", "bind"}};
}

class SpecBuilder {
 public:
  SpecBuilder(const config::Config& config, const CdiRoots& roots)
      : config_(config),
        roots_(roots),
        hook_missing_(CertainlyMissingOnHost(roots_.raw(), roots.hook_path) ||
                      !roots_.MayRun(roots.hook_path)),
        hooks_(roots.hook_path, config.flags.cdi_disable_hooks, hook_missing_) {}

  // Null where no device can be described.
  [[nodiscard]] Result<Json> Gpus(const gpu::Inventory& inventory,
                                  std::map<std::string, std::string>& left_out) const {
    if (!IsVersion(inventory.driver_version)) {
      return Status(Code::kFailedPrecondition,
                    "\"" + inventory.driver_version + "\" is no driver version");
    }
    if (hook_missing_) {
      base::LogWarning(
          "the host has no CDI hook program that can be trusted: libraries are mounted under all "
          "of their names instead, and no hook is written",
          {base::Kv("path", roots_.raw().hook_path)});
    }
    Result<Edits> driver =
        DriverEdits(roots_, hooks_, inventory.driver_version,
                    {.explicit_libraries = HasFeature("enable-explicit-driver-libraries"),
                     .sockets = !HasFeature("disable-ipc-discoverer")});
    if (!driver.ok()) return driver.status();
    Spec spec{.kind = KindOf("gpu"), .devices = {}, .common = std::move(*driver)};
    for (const gpu::Gpu& gpu : inventory.gpus) AddGpu(gpu, spec, left_out);
    if (spec.devices.empty()) return Json();
    return Document(std::move(spec), OtherDevices::kHidden);
  }

  // Null where none of the channels is there.
  [[nodiscard]] Result<Json> ImexChannels() const {
    Spec spec{.kind = KindOf("imex-channel"), .devices = {}, .common = {}};
    for (const int id : config_.imex.channel_ids) {
      const std::string path = "/dev/nvidia-caps-imex-channels/channel" + std::to_string(id);
      const std::string here = base::JoinPath(roots_.raw().dev_root_here, path);
      const auto& is_device = roots_.raw().stat_char_device;
      if (is_device(here) ? roots_.Node(path).empty() : !is_device(path)) continue;
      Device device{.name = std::to_string(id), .edits = {}};
      device.edits.device_nodes.push_back(
          {.path = path, .host_path = here, .permissions = {}});  // the runtime looks at the node
      spec.devices.push_back(std::move(device));
    }
    if (spec.devices.empty()) return Json();
    return Document(std::move(spec), OtherDevices::kLeft);
  }

  // Null where the node has nothing of it.
  [[nodiscard]] Result<Json> AllOf(const std::string& device_class, Edits edits) const {
    if (edits.empty()) return Json();
    Spec spec{.kind = KindOf(device_class), .devices = {}, .common = {}};
    spec.devices.push_back({.name = "all", .edits = std::move(edits)});
    return Document(std::move(spec), OtherDevices::kHidden);
  }

  [[nodiscard]] const Roots& roots() const { return roots_; }

  void WarnOfRefused() const {
    std::string refused;
    for (const auto& [path, why] : roots_.Refused()) {
      if (!refused.empty()) refused += "; ";
      refused.append(path).append(": ").append(why);
    }
    if (refused.empty()) return;
    base::LogWarning("left out of the CDI spec, because others than root can change what it names",
                     {base::Kv("paths", refused)});
  }

 private:
  [[nodiscard]] bool HasFeature(std::string_view flag) const {
    const std::vector<std::string>& flags = config_.flags.cdi_feature_flags;
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  }

  static std::string KindOf(const std::string& device_class) {
    return std::string(kVendor) + "/" + device_class;
  }

  void AddGpu(const gpu::Gpu& gpu, Spec& spec, std::map<std::string, std::string>& left_out) const {
    const bool by_uuid = config_.flags.plugin.device_id_strategy == config::DeviceIdStrategy::kUuid;
    const std::string index = std::to_string(gpu.index);
    const auto add = [&](const std::string& uuid, const std::string& name, Result<Edits> edits) {
      Status status = edits.status();
      if (status.ok()) {
        Spec alone{.kind = spec.kind, .devices = {{.name = name, .edits = *edits}}, .common = {}};
        status = CheckCdiSpec(ToJson(alone));
        if (status.ok()) spec.devices.push_back(std::move(alone.devices.front()));
      }
      if (!status.ok()) left_out[uuid] = "no CDI device can be made of it: " + status.message();
    };
    if (!gpu.mig_enabled) {
      add(gpu.uuid, by_uuid ? gpu.uuid : index, GpuEdits(roots_, hooks_, gpu));
      return;
    }
    for (const gpu::MigDevice& mig : gpu.mig_devices) {
      const std::string mig_index = index + ":" + std::to_string(mig.index);
      add(mig.uuid, by_uuid ? mig.uuid : mig_index, MigEdits(roots_, mig));
    }
  }

  // The spec as a document. kHidden: the NVIDIA container runtime must not add devices by its own
  // rules as well.
  enum class OtherDevices { kHidden, kLeft };
  [[nodiscard]] Result<Json> Document(Spec spec, OtherDevices others) const {
    if (others == OtherDevices::kHidden)
      spec.common.env.emplace_back("NVIDIA_VISIBLE_DEVICES=void");
    const CdiRoots& roots = roots_.raw();
    MoveHostPaths(spec, roots.driver_root_here, roots.driver_root_on_host);
    if (roots.dev_root_here != roots.driver_root_here) {
      MoveHostPaths(spec, DevDirectory(roots.dev_root_here), DevDirectory(roots.dev_root_on_host));
    }
    if (others == OtherDevices::kHidden) spec.common.mounts.push_back(VoidDevice());
    Simplify(spec);
    Json json = ToJson(spec);
    TRANCHE_TRY(CheckCdiSpec(json));
    return json;
  }

  const config::Config& config_;
  Roots roots_;
  bool hook_missing_;
  HookWriter hooks_;
};

Status AddFile(const std::string& device_class, Result<Json> spec, std::vector<CdiFile>& files) {
  if (!spec.ok()) return spec.status().Wrap(device_class);
  if (spec->is_null()) return Status::Ok();
  files.push_back({.device_class = device_class,
                   .name = std::string(kVendor) + "-" + device_class + ".json",
                   .spec = std::move(*spec)});
  return Status::Ok();
}

// Into `made`.
Status BuildFiles(const SpecBuilder& builder, const config::Flags& flags,
                  const gpu::Inventory& inventory, CdiFiles& made) {
  for (const gpu::Gpu& gpu : inventory.gpus) {
    if (!gpu.mig_enabled) continue;
    made.left_out[gpu.uuid] = "it is cut by MIG, and no CDI device names it as a whole";
  }
  if (HasDevices(inventory)) {
    TRANCHE_TRY(AddFile("gpu", builder.Gpus(inventory, made.left_out), made.files));
    for (const char* node : {"nvidiactl", "nvidia-uvm"}) {
      const std::string path = std::string("/dev/") + node;
      if (builder.roots().Node(path).empty()) made.missing.emplace_back(node);
    }
  }
  TRANCHE_TRY(AddFile("imex-channel", builder.ImexChannels(), made.files));
  const auto add = [&](const char* device_class, const char* node, Edits edits) {
    if (edits.empty()) made.missing.emplace_back(node);
    return AddFile(device_class, builder.AllOf(device_class, std::move(edits)), made.files);
  };
  if (flags.gdrcopy_enabled) TRANCHE_TRY(add("gdrcopy", "gdrdrv", GdrcopyEdits(builder.roots())));
  if (flags.gds_enabled) TRANCHE_TRY(add("gds", "nvidia-fs", GdsEdits(builder.roots())));
  if (flags.mofed_enabled) TRANCHE_TRY(add("mofed", "infiniband", MofedEdits(builder.roots())));
  return Status::Ok();
}

}  // namespace

Result<CdiFiles> BuildCdiFiles(const config::Config& config, const gpu::Inventory& inventory,
                               const CdiRoots& roots) {
  const SpecBuilder builder(config, roots);
  CdiFiles made;
  const Status status = BuildFiles(builder, config.flags, inventory, made);
  builder.WarnOfRefused();
  if (!status.ok()) return status;
  return made;
}

Status WriteCdiSpec(const std::string& directory, const std::string& name, const Json& spec) {
  TRANCHE_TRY(CheckCdiSpec(spec));
  const std::string path = base::JoinPath(directory, name);
  const std::string text = spec.Dump() + "\n";
  const Result<std::string> old = base::ReadFile(path, kLargestSpec);
  if (old.ok() && *old == text) return Status::Ok();
  return base::WriteFileAtomic(path, text);
}

bool UsesCdi(const config::Config& config) {
  const config::PluginFlags& flags = config.flags.plugin;
  return flags.Uses(config::DeviceListStrategy::kCdiAnnotations) ||
         flags.Uses(config::DeviceListStrategy::kCdiCri);
}

}  // namespace tranche::cdi
