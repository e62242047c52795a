#include "config/to_json.h"

#include <fmt/format.h>

#include "config/memory_amount.h"
#include "config/units.h"

namespace tranche::config {
namespace {

using base::Json;

// Bytes as a number, a share as "25%".
Json AmountJson(const MemoryAmount& amount) {
  if (const auto* bytes = std::get_if<Bytes>(&amount)) return bytes->bytes;
  return AmountText(amount);
}

Json FlagsJson(const Flags& flags) {
  Json strategies = Json::MakeArray();
  for (const auto strategy : flags.plugin.device_list_strategy) strategies.Append(Text(strategy));
  Json plugin = Json::MakeObject(
      {{"passDeviceSpecs", flags.plugin.pass_device_specs},
       {"deviceListStrategy", std::move(strategies)},
       {"deviceIDStrategy", Text(flags.plugin.device_id_strategy)},
       {"cdiAnnotationPrefix", flags.plugin.cdi_annotation_prefix},
       {"nvidiaCTKPath", flags.plugin.nvidia_ctk_path},
       {"containerDriverRoot", flags.plugin.container_driver_root},
       {"sharedDevicesAllocationPolicy", Text(flags.plugin.shared_devices_allocation_policy)}});
  Json gfd = Json::MakeObject(
      {{"oneshot", flags.gfd.oneshot},
       {"noTimestamp", flags.gfd.no_timestamp},
       {"sleepInterval", flags.gfd.sleep_interval ? GoDurationText(*flags.gfd.sleep_interval)
                                                  : std::string("infinite")},
       {"outputFile", flags.gfd.output_file},
       {"machineTypeFile", flags.gfd.machine_type_file}});
  Json out = Json::MakeObject({{"migStrategy", Text(flags.mig_strategy)},
                               {"failOnInitError", flags.fail_on_init_error},
                               {"mpsRoot", flags.mps_root},
                               {"nvidiaDriverRoot", flags.nvidia_driver_root},
                               {"nvidiaDevRoot", flags.DevRoot()},
                               {"gdrcopyEnabled", flags.gdrcopy_enabled},
                               {"gdsEnabled", flags.gds_enabled},
                               {"mofedEnabled", flags.mofed_enabled}});
  out.Set("useNodeFeatureAPI",
          flags.use_node_feature_api ? Json(*flags.use_node_feature_api) : Json());
  out.Set("deviceDiscoveryStrategy", flags.device_discovery_strategy);
  out.Set("plugin", std::move(plugin));
  out.Set("gfd", std::move(gfd));
  if (!flags.cdi_feature_flags.empty())
    out.Set("cdiFeatureFlags", Json::MakeTexts(flags.cdi_feature_flags));
  if (!flags.cdi_disable_hooks.empty())
    out.Set("cdiDisableHooks", Json::MakeTexts(flags.cdi_disable_hooks));
  return out;
}

Json MemoryJson(const MemoryOptions& options) {
  Json memory = Json::MakeObject({{"mode", Text(options.mode)}});
  if (options.limit) memory.Set("limit", AmountJson(*options.limit));
  if (options.max) memory.Set("max", AmountJson(*options.max));
  memory.Set("reserve", AmountJson(options.reserve));
  memory.Set("arbiterAway", options.arbiter_away_open ? "open" : "closed");
  return memory;
}

Json ResourceJson(const TrancheResource& resource) {
  Json out = Json::MakeObject({{"name", resource.name}});
  if (resource.devices) {
    Json devices = Json::MakeArray();
    for (const DeviceRef& device : *resource.devices) devices.Append(device.text);
    out.Set("devices", std::move(devices));
  }
  if (!resource.rename.empty()) out.Set("rename", resource.rename);
  if (!resource.replicas_per_device.empty()) {
    Json counts = Json::MakeObject();
    for (const auto& [device, count] : resource.replicas_per_device) counts.Set(device.text, count);
    out.Set("replicasPerDevice", std::move(counts));
  }
  if (resource.allocation_policy) out.Set("allocationPolicy", Text(*resource.allocation_policy));
  out.Set("drainBeforeExclusive", resource.drain_before_exclusive);
  if (resource.memory) out.Set("memory", MemoryJson(*resource.memory));
  return out;
}

Json TrancheJson(const TrancheOptions& options) {
  Json out = Json::MakeObject();
  if (!options.resources.empty()) {
    Json resources = Json::MakeArray();
    for (const TrancheResource& resource : options.resources) {
      resources.Append(ResourceJson(resource));
    }
    out.Set("resources", std::move(resources));
  }
  out.Set("health",
          Json::MakeObject({{"recovery", Text(options.health.recovery)},
                            {"quietPeriod", GoDurationText(options.health.quiet_period)}}));
  if (options.memory) out.Set("memory", MemoryJson(*options.memory));
  if (options.time) {
    out.Set("time", Json::MakeObject({{"mode", Text(options.time->mode)},
                                      {"weight", options.time->weight},
                                      {"maxWeight", options.time->max_weight},
                                      {"min", AmountText(options.time->min)},
                                      {"max", AmountText(options.time->max)},
                                      {"class", options.time->time_class},
                                      {"classes", Json::MakeTexts(options.time->classes)}}));
  }
  return out;
}

// Upstream leaves out false, empty and absent members here.
Json SharingJson(const FileSharing& sharing) {
  Json out = Json::MakeObject();
  if (sharing.rename_by_default) out.Set("renameByDefault", true);
  if (sharing.fail_requests_greater_than_one) {
    out.Set("failRequestsGreaterThanOne", *sharing.fail_requests_greater_than_one);
  }
  if (sharing.resources.empty()) return out;
  Json resources = Json::MakeArray();
  for (const FileResource& resource : sharing.resources) {
    Json one = Json::MakeObject({{"name", resource.name}});
    if (!resource.rename.empty()) one.Set("rename", resource.rename);
    one.Set("devices", "all");
    one.Set("replicas", resource.replicas);
    resources.Append(std::move(one));
  }
  out.Set("resources", std::move(resources));
  return out;
}

Json NormalisedFlags(const FileFlags& flags) {
  const Flags defaults;
  const PluginFlags& plugin = defaults.plugin;
  const std::string driver_root = flags.nvidia_driver_root.value_or(defaults.nvidia_driver_root);
  const std::string dev_root = flags.nvidia_dev_root.value_or("");
  Json out = Json::MakeObject(
      {{"migStrategy", flags.mig_strategy.value_or("none")},
       {"failOnInitError", flags.fail_on_init_error.value_or(defaults.fail_on_init_error)},
       {"mpsRoot", flags.mps_root.value_or("")},
       {"nvidiaDriverRoot", driver_root},
       {"nvidiaDevRoot", dev_root.empty() ? driver_root : dev_root},
       {"gdrcopyEnabled", flags.gdrcopy_enabled.value_or(false)},
       {"gdsEnabled", flags.gds_enabled.value_or(false)},
       {"mofedEnabled", flags.mofed_enabled.value_or(false)}});
  out.Set("useNodeFeatureAPI",
          flags.use_node_feature_api ? Json(*flags.use_node_feature_api) : Json());
  out.Set("deviceDiscoveryStrategy",
          flags.device_discovery_strategy.value_or(defaults.device_discovery_strategy));
  const FilePlugin& given = flags.plugin;
  out.Set("plugin",
          Json::MakeObject(
              {{"passDeviceSpecs", given.pass_device_specs.value_or(plugin.pass_device_specs)},
               {"deviceListStrategy", Json::MakeTexts(given.device_list_strategy.value_or(
                                          std::vector<std::string>{"envvar"}))},
               {"deviceIDStrategy", given.device_id_strategy.value_or("uuid")},
               {"cdiAnnotationPrefix",
                given.cdi_annotation_prefix.value_or(plugin.cdi_annotation_prefix)},
               {"nvidiaCTKPath", given.nvidia_ctk_path.value_or(plugin.nvidia_ctk_path)},
               {"containerDriverRoot",
                given.container_driver_root.value_or(plugin.container_driver_root)},
               {"sharedDevicesAllocationPolicy",
                given.shared_devices_allocation_policy.value_or("distributed")}}));
  return out;
}

}  // namespace

std::string_view Text(MigStrategy strategy) {
  switch (strategy) {
    case MigStrategy::kNone:
      return "none";
    case MigStrategy::kSingle:
      return "single";
    case MigStrategy::kMixed:
      return "mixed";
  }
  return "";
}

std::string_view Text(DeviceListStrategy strategy) {
  switch (strategy) {
    case DeviceListStrategy::kEnvvar:
      return "envvar";
    case DeviceListStrategy::kVolumeMounts:
      return "volume-mounts";
    case DeviceListStrategy::kCdiAnnotations:
      return "cdi-annotations";
    case DeviceListStrategy::kCdiCri:
      return "cdi-cri";
  }
  return "";
}

std::string_view Text(DeviceIdStrategy strategy) {
  return strategy == DeviceIdStrategy::kUuid ? "uuid" : "index";
}

std::string_view Text(AllocationPolicy policy) {
  switch (policy) {
    case AllocationPolicy::kDistributed:
      return "distributed";
    case AllocationPolicy::kPacked:
      return "packed";
    case AllocationPolicy::kSpread:
      return "spread";
  }
  return "";
}

std::string_view Text(Recovery recovery) {
  switch (recovery) {
    case Recovery::kAuto:
      return "auto";
    case Recovery::kReset:
      return "reset";
    case Recovery::kNever:
      return "never";
  }
  return "";
}

std::string_view Text(EnforceMode mode) {
  switch (mode) {
    case EnforceMode::kOff:
      return "off";
    case EnforceMode::kObserve:
      return "observe";
    case EnforceMode::kEnforce:
      return "enforce";
  }
  return "";
}

Json ToJson(const Config& config) {
  Json resources = Json::MakeArray();
  for (const ReplicatedResource& resource : config.time_slicing.resources) {
    Json one = Json::MakeObject({{"name", resource.name}});
    if (!resource.rename.empty()) one.Set("rename", resource.rename);
    one.Set("devices", "all");
    one.Set("replicas", resource.replicas);
    resources.Append(std::move(one));
  }
  Json time_slicing = Json::MakeObject(
      {{"renameByDefault", config.time_slicing.rename_by_default},
       {"failRequestsGreaterThanOne", config.time_slicing.fail_requests_greater_than_one},
       {"resources", std::move(resources)}});
  Json ids = Json::MakeArray();
  for (const int id : config.imex.channel_ids) ids.Append(id);
  Json out = Json::MakeObject({{"version", "v1"}, {"flags", FlagsJson(config.flags)}});
  out.Set("sharing", Json::MakeObject({{"timeSlicing", std::move(time_slicing)}}));
  out.Set("imex",
          Json::MakeObject({{"channelIDs", std::move(ids)}, {"required", config.imex.required}}));
  out.Set("tranche", TrancheJson(config.tranche));
  return out;
}

Json NormalisedJson(const FileModel& model) {
  Json sharing = Json::MakeObject({{"timeSlicing", SharingJson(model.time_slicing)}});
  if (model.mps) sharing.Set("mps", SharingJson(*model.mps));
  Json imex = Json::MakeObject();
  if (!model.imex_channel_ids.empty()) {
    Json ids = Json::MakeArray();
    for (const std::int64_t id : model.imex_channel_ids) ids.Append(id);
    imex.Set("channelIDs", std::move(ids));
  }
  if (model.imex_required) imex.Set("required", true);
  return Json::MakeObject({{"version", model.version},
                           {"flags", NormalisedFlags(model.flags)},
                           {"resources", Json::MakeObject({{"gpus", Json()}})},
                           {"sharing", std::move(sharing)},
                           {"imex", std::move(imex)}});
}

}  // namespace tranche::config
