#include "plan/allocation.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/memory_rules.h"
#include "share/replica.h"

namespace tranche::plan {

namespace {

using base::Code;
using base::Result;
using base::Status;
using config::DeviceListStrategy;

// Names and values that containers and NVIDIA's container toolkit know (reference: upstream's
// internal/plugin/server.go).
constexpr char kVisibleDevices[] = "NVIDIA_VISIBLE_DEVICES";
constexpr char kImexChannels[] = "NVIDIA_IMEX_CHANNELS";
constexpr char kVolumeMountsRoot[] = "/var/run/nvidia-container-devices";
constexpr char kCdiVendor[] = "k8s.device-plugin.nvidia.com";
constexpr const char* kControlPaths[] = {"/dev/nvidiactl", "/dev/nvidia-uvm",
                                         "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"};

// The ids a container sees: UUIDs or indices, each once, in the order asked for.
std::vector<std::string> VisibleIds(const AllocationContext& context,
                                    const std::vector<std::string>& ids) {
  std::vector<std::string> visible = share::DevicesOf(ids);
  if (context.config.flags.plugin.device_id_strategy == config::DeviceIdStrategy::kIndex) {
    for (std::string& id : visible) id = context.plan.devices.at(id).index;
  }
  return visible;
}

std::uint64_t Fnv1a(std::uint64_t hash, std::string_view text) {
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

// A UUID that is a function of the devices: upstream's is random, but only its form and that
// different devices do not share a key matter.
std::string AnnotationId(const std::string& devices) {
  const std::uint64_t high = Fnv1a(0xcbf29ce484222325ULL, devices);  // FNV-1a offset basis
  const std::uint64_t low = Fnv1a(high, "tranche");
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xFFFFU,
                     high & 0xFFFU, 0x8000U | ((low >> 48U) & 0x3FFFU), low & 0xFFFFFFFFFFFFULL);
}

std::string QualifiedName(std::string_view device_class, std::string_view id) {
  return fmt::format("{}/{}={}", kCdiVendor, device_class, id);
}

// "": none of these has a memory wall, or nothing publishes the shim.
std::string ShimFor(const AllocationContext& context, const std::vector<std::string>& ids) {
  const auto& devices = context.plan.devices;
  const std::vector<std::string> uuids = share::DevicesOf(ids);
  const bool walled = std::ranges::any_of(uuids, [&](const std::string& uuid) {
    return EnforcedMemory(context.config, devices.at(uuid)) != nullptr;
  });
  return walled ? context.facts.shim : "";
}

void AddCdi(const AllocationContext& context, const std::vector<std::string>& visible,
            const std::string& shim, kubelet::ContainerAnswer& answer) {
  const config::PluginFlags& flags = context.config.flags.plugin;
  std::vector<std::string> names;
  names.reserve(visible.size());
  for (const std::string& id : visible) names.push_back(QualifiedName("gpu", id));
  for (const ImexChannel& channel : context.facts.imex_channels) {
    names.push_back(QualifiedName("imex-channel", channel.id));
  }
  for (const std::string& device_class : context.facts.cdi_classes) {
    names.push_back(QualifiedName(device_class, "all"));
  }
  if (!shim.empty()) names.push_back(shim);
  if (names.empty()) return;
  if (flags.Uses(DeviceListStrategy::kCdiAnnotations)) {
    const std::string value = base::Join(names, ",");
    answer
        .annotations[flags.cdi_annotation_prefix + "nvidia-device-plugin_" + AnnotationId(value)] =
        value;
  }
  if (flags.Uses(DeviceListStrategy::kCdiCri)) answer.cdi_devices = names;
}

void AddVolumeMounts(const AllocationContext& context, const std::vector<std::string>& visible,
                     kubelet::ContainerAnswer& answer) {
  answer.env[kVisibleDevices] = kVolumeMountsRoot;
  const auto add = [&](const std::string& name) {
    answer.mounts.push_back({.container_path = base::JoinPath(kVolumeMountsRoot, name),
                             .host_path = "/dev/null",
                             .read_only = false});
  };
  for (const std::string& id : visible) add(id);
  for (const ImexChannel& channel : context.facts.imex_channels) add("imex/" + channel.id);
}

void AddDeviceSpecs(const AllocationContext& context, const std::vector<std::string>& ids,
                    kubelet::ContainerAnswer& answer) {
  std::vector<std::string> paths = context.facts.control_paths;
  for (const std::string& uuid : share::DevicesOf(ids)) {
    for (const std::string& path : context.plan.devices.at(uuid).paths) {
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
    }
  }
  for (const ImexChannel& channel : context.facts.imex_channels) paths.push_back(channel.path);
  for (const std::string& path : paths) {
    answer.devices.push_back({.container_path = path,
                              .host_path = base::JoinPath(context.config.flags.DevRoot(), path),
                              .permissions = "rw"});
  }
}

bool IsCharacterDevice(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISCHR(info.st_mode);
}

}  // namespace

Result<NodeFacts> ReadNodeFacts(const config::Config& config, const std::string& dev_root,
                                const std::string& own_root) {
  NodeFacts facts;
  for (const char* path : kControlPaths) {
    if (base::Exists(base::JoinPath(own_root, path))) facts.control_paths.emplace_back(path);
  }
  if (config.flags.plugin.pass_device_specs) {
    // The others are for tools and displays.
    for (const char* needed : {"nvidiactl", "nvidia-uvm"}) {
      const std::string path = std::string("/dev/") + needed;
      if (std::ranges::find(facts.control_paths, path) == facts.control_paths.end()) {
        facts.missing.emplace_back(needed);
      }
    }
  }
  for (const int id : config.imex.channel_ids) {
    ImexChannel channel{.id = std::to_string(id),
                        .path = "/dev/nvidia-caps-imex-channels/channel" + std::to_string(id)};
    if (IsCharacterDevice(base::JoinPath(dev_root, channel.path)) ||
        IsCharacterDevice(base::JoinPath(own_root, channel.path))) {
      facts.imex_channels.push_back(std::move(channel));
    } else if (config.imex.required) {
      return Status(Code::kNotFound,
                    "requested IMEX channel channel" + channel.id + " does not exist");
    } else {
      facts.missing.push_back("imex-channel" + channel.id);
    }
  }
  return facts;
}

Status CheckRequest(const AllocationContext& context, const std::vector<std::string>& ids) {
  const share::AdvertisedResource& resource = context.resource.advertised;
  const std::string prefix =
      "invalid allocation request for \"" + resource.name + "\": invalid request: ";
  bool any_replica = false;
  for (const std::string& id : ids) {
    if (!Knows(context.plan, resource.name, id)) {
      // Bounded: a text too long for gRPC's headers would cost the kubelet its answer.
      return {Code::kUnknown, prefix + "unknown device: " + base::Printable(id, 256)};
    }
    any_replica = any_replica || share::IsReplicaId(id);
  }
  if (any_replica && ids.size() > 1 && context.config.time_slicing.fail_requests_greater_than_one) {
    return {Code::kUnknown, prefix + "maximum request size for shared resources is 1; found " +
                                std::to_string(ids.size())};
  }
  return Status::Ok();
}

Result<kubelet::ContainerAnswer> Answer(const AllocationContext& context,
                                        const std::vector<std::string>& ids) {
  TRANCHE_TRY(CheckRequest(context, ids));
  const config::Flags& flags = context.config.flags;
  const std::vector<std::string> visible = VisibleIds(context, ids);
  const bool envvar = flags.plugin.Uses(DeviceListStrategy::kEnvvar);
  const bool volume_mounts = flags.plugin.Uses(DeviceListStrategy::kVolumeMounts);

  const std::string shim = ShimFor(context, ids);
  kubelet::ContainerAnswer answer;
  if (flags.plugin.Uses(DeviceListStrategy::kCdiAnnotations) ||
      flags.plugin.Uses(DeviceListStrategy::kCdiCri)) {
    AddCdi(context, visible, shim, answer);
  } else if (!shim.empty()) {
    answer.cdi_devices = {shim};  // runtimes heed this field whatever names the GPUs
  }
  if (flags.gdrcopy_enabled) answer.env["NVIDIA_GDRCOPY"] = "enabled";
  if (flags.gds_enabled) answer.env["NVIDIA_GDS"] = "enabled";
  if (flags.mofed_enabled) answer.env["NVIDIA_MOFED"] = "enabled";
  if (!envvar && !volume_mounts) return answer;  // CDI alone says everything

  if (envvar) {
    answer.env[kVisibleDevices] = base::Join(visible, ",");
    if (!context.facts.imex_channels.empty()) {
      std::vector<std::string> channels;
      for (const ImexChannel& channel : context.facts.imex_channels) channels.push_back(channel.id);
      answer.env[kImexChannels] = base::Join(channels, ",");
    }
  }
  if (volume_mounts) AddVolumeMounts(context, visible, answer);
  if (flags.plugin.pass_device_specs) AddDeviceSpecs(context, ids, answer);
  return answer;
}

}  // namespace tranche::plan
