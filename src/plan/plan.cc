#include "plan/plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "config/resource_name.h"
#include "plan/memory_rules.h"
#include "share/replica.h"

namespace tranche::plan {

namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr char kGpuResource[] = "nvidia.com/gpu";

share::Policy ToSharePolicy(config::AllocationPolicy policy) {
  switch (policy) {
    case config::AllocationPolicy::kDistributed:
      return share::Policy::kDistributed;
    case config::AllocationPolicy::kPacked:
      return share::Policy::kPacked;
    case config::AllocationPolicy::kSpread:
      return share::Policy::kSpread;
  }
  return share::Policy::kDistributed;
}

// "1g.10gb+me" is advertised as nvidia.com/mig-1g.10gb.me (upstream's rule: '+' is no label
// character).
std::string MigResource(const std::string& profile) {
  std::string name = "nvidia.com/mig-" + profile;
  std::replace(name.begin(), name.end(), '+', '.');
  return name;
}

std::string MigIndex(const gpu::Gpu& gpu, const gpu::MigDevice& mig) {
  return std::to_string(gpu.index) + ":" + std::to_string(mig.index);
}

// Gathers the units of a node as the MIG strategy wants them.
class UnitCollector {
 public:
  UnitCollector(const gpu::Inventory& inventory, Plan& plan) : inventory_(inventory), plan_(plan) {}

  Result<std::vector<share::Unit>> Collect(config::MigStrategy strategy) {
    if (strategy == config::MigStrategy::kSingle) {
      TRANCHE_TRY(CheckUniform());
    }
    for (const gpu::Gpu& gpu : inventory_.gpus) {
      if (!gpu.mig_enabled || strategy == config::MigStrategy::kNone) {
        AddGpu(gpu);
        continue;
      }
      if (gpu.mig_devices.empty()) {
        Warn("GPU " + std::to_string(gpu.index) + " has MIG enabled but no MIG devices configured");
      }
      for (const gpu::MigDevice& mig : gpu.mig_devices) AddMig(gpu, mig, strategy);
    }
    return std::move(units_);
  }

 private:
  // Strategy `single`: every GPU the same MIG mode, every MIG device the same shape. Texts and
  // their order are upstream's.
  Status CheckUniform() {
    const gpu::MigDevice* first = nullptr;
    bool one_shape = true;
    bool any_whole = false;
    for (const gpu::Gpu& gpu : inventory_.gpus) {
      any_whole = any_whole || !gpu.mig_enabled;
      if (!gpu.mig_enabled) continue;
      if (gpu.mig_devices.empty()) {
        return {Code::kFailedPrecondition,
                "invalid MIG configuration: at least one device with migEnabled=true was not "
                "configured correctly: device " +
                    std::to_string(gpu.index) + " has no MIG devices configured"};
      }
      for (const gpu::MigDevice& mig : gpu.mig_devices) {
        if (first == nullptr) first = &mig;
        // 0: the driver failed to tell it.
        const bool same_memory = mig.memory_bytes == first->memory_bytes || mig.memory_bytes == 0 ||
                                 first->memory_bytes == 0;
        one_shape = one_shape && mig.profile == first->profile && same_memory;
      }
    }
    if (!one_shape) {
      return {Code::kFailedPrecondition,
              "invalid MIG configuration: more than one MIG device type present on node"};
    }
    if (any_whole && first != nullptr) {
      return {Code::kFailedPrecondition,
              "all devices on the node must be configured with the same migEnabled value"};
    }
    return Status::Ok();
  }

  void AddGpu(const gpu::Gpu& gpu) {
    const std::string index = std::to_string(gpu.index);
    units_.push_back(
        {.uuid = gpu.uuid, .index = index, .resource = kGpuResource, .numa_node = gpu.numa_node});
    plan_.devices[gpu.uuid] = {.uuid = gpu.uuid,
                               .index = index,
                               .parent = "",
                               .paths = gpu.device_paths,
                               .profile = "",
                               .resource = ""};
  }

  void AddMig(const gpu::Gpu& gpu, const gpu::MigDevice& mig, config::MigStrategy strategy) {
    std::string resource = kGpuResource;
    if (strategy == config::MigStrategy::kMixed) {
      if (mig.compute_slices < mig.gpu_slices) {
        // Upstream refuses to start here; one odd instance should not cost the node its GPUs.
        Warn("MIG profile '" + mig.profile +
             "' does not match any resource patterns: a compute instance smaller than its GPU "
             "instance is not advertised (device " +
             MigIndex(gpu, mig) + ")");
        return;
      }
      resource = MigResource(mig.profile);
    }
    const std::string index = MigIndex(gpu, mig);
    units_.push_back(
        {.uuid = mig.uuid, .index = index, .resource = resource, .numa_node = gpu.numa_node});
    plan_.devices[mig.uuid] = {.uuid = mig.uuid,
                               .index = index,
                               .parent = gpu.uuid,
                               .paths = mig.device_paths,
                               .profile = mig.profile,
                               .resource = ""};
  }

  void Warn(std::string message) { plan_.warnings.push_back({std::move(message), 0}); }

  const gpu::Inventory& inventory_;
  Plan& plan_;
  std::vector<share::Unit> units_;
};

const config::TrancheResource* FindOptions(const config::Config& config, const std::string& name) {
  for (const config::TrancheResource& resource : config.tranche.resources) {
    if (resource.name == name) return &resource;
  }
  return nullptr;
}

void ApplyOptions(const config::TrancheResource& options, share::Rule& rule) {
  if (!options.rename.empty()) rule.advertise_as = options.rename;
  if (options.devices) {
    rule.all_devices = false;
    for (const config::DeviceRef& device : *options.devices) rule.devices.push_back(device.text);
  }
  for (const auto& [device, count] : options.replicas_per_device) {
    rule.replicas_per_device.emplace_back(device.text, count);
  }
}

std::vector<share::Rule> RulesOf(const config::Config& config) {
  std::vector<share::Rule> rules;
  std::set<std::string> seen;
  for (const config::ReplicatedResource& resource : config.time_slicing.resources) {
    share::Rule rule{.resource = resource.name,
                     .advertise_as = resource.name,
                     .replicas = resource.replicas,
                     .all_devices = true,
                     .devices = {},
                     .replicas_per_device = {}};
    // What is not shared keeps its name: `.shared` would be a lie.
    if (!resource.rename.empty() && resource.replicas > 1) rule.advertise_as = resource.rename;
    if (const auto* options = FindOptions(config, resource.name)) ApplyOptions(*options, rule);
    seen.insert(resource.name);
    rules.push_back(std::move(rule));
  }
  for (const config::TrancheResource& options : config.tranche.resources) {
    if (seen.contains(options.name)) continue;
    share::Rule rule{.resource = options.name,
                     .advertise_as = options.name,
                     .replicas = 1,
                     .all_devices = true,
                     .devices = {},
                     .replicas_per_device = {}};
    ApplyOptions(options, rule);
    rules.push_back(std::move(rule));
  }
  return rules;
}

int LineOf(const config::Config& config, const std::string& name) {
  for (const config::ReplicatedResource& resource : config.time_slicing.resources) {
    if (resource.name == name) return resource.line;
  }
  const config::TrancheResource* options = FindOptions(config, name);
  return options == nullptr ? 0 : options->line;
}

// Of more than these nobody reads the rest.
constexpr std::size_t kMaxWarnings = 100;

void WarnAboutUnmatched(const config::Config& config, const std::vector<share::Unit>& units,
                        const share::Advertisement& advertisement, Plan& plan) {
  if (units.empty()) return;  // a node without GPUs matches nothing, and that is no typo
  std::vector<std::string> names;
  names.reserve(units.size());
  for (const share::Unit& unit : units) names.push_back(unit.resource);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : advertisement.unmatched_rules) {
    if (plan.warnings.size() >= kMaxWarnings) {
      plan.warnings.push_back({"more that match nothing on this node are left out", 0});
      return;
    }
    if (!config::AdviseOnName(name).what.empty()) continue;  // said with the config
    std::string message = "resource '" + name + "' matches nothing on this node";
    if (const std::string nearest = config::NearestName(name, names); !nearest.empty()) {
      message += " (did you mean '" + nearest + "'?)";
    }
    plan.warnings.push_back({std::move(message), LineOf(config, name)});
  }
  for (const std::string& device : advertisement.unmatched_devices) {
    plan.warnings.push_back(
        {"device '" + device + "' in tranche.resources matches nothing on this node", 0});
  }
}

// A list is kept for each resource, so all of them together are bounded as one message is.
Status CheckMessageSizes(const share::Advertisement& advertisement) {
  std::uint64_t all_bytes = 0;
  std::uint64_t all_ids = 0;
  for (const share::AdvertisedResource& resource : advertisement.resources) {
    const std::uint64_t bytes = share::WorstMessageBytes(resource);
    all_bytes += bytes;
    all_ids += share::CountIds(resource);
    if (bytes <= share::kKubeletMessageLimit) continue;
    return {Code::kInvalidArgument,
            "resource '" + resource.name + "' would have " +
                std::to_string(share::CountIds(resource)) + " devices, a message of " +
                std::to_string(bytes) +
                " bytes when all are unhealthy; the kubelet refuses more than " +
                std::to_string(share::kKubeletMessageLimit) + ": choose fewer replicas"};
  }
  if (all_bytes > share::kKubeletMessageLimit) {
    return {Code::kInvalidArgument, "all resources together would have " + std::to_string(all_ids) +
                                        " devices, lists of " + std::to_string(all_bytes) +
                                        " bytes when all are unhealthy; more than " +
                                        std::to_string(share::kKubeletMessageLimit) +
                                        " are not served: choose fewer replicas"};
  }
  return Status::Ok();
}

}  // namespace

bool Knows(const Plan& plan, const std::string& resource, const std::string& id) {
  const share::ReplicaId parsed = share::ParseReplicaId(id);
  const auto it = plan.devices.find(std::string(parsed.device));
  return it != plan.devices.end() && it->second.resource == resource &&
         share::IsAmongIds(parsed, it->second.replicas);
}

Result<Plan> BuildPlan(const config::Config& config, const gpu::Inventory& inventory) {
  Plan plan;
  auto units = UnitCollector(inventory, plan).Collect(config.flags.mig_strategy);
  if (!units.ok()) return units.status();
  share::Advertisement advertisement = share::Advertise(*units, RulesOf(config));
  TRANCHE_TRY(CheckMessageSizes(advertisement));
  WarnAboutUnmatched(config, *units, advertisement, plan);
  for (share::AdvertisedResource& advertised : advertisement.resources) {
    PlannedResource resource;
    resource.policy = ToSharePolicy(config.flags.plugin.shared_devices_allocation_policy);
    if (const auto* options = FindOptions(config, advertised.original)) {
      if (options->allocation_policy) resource.policy = ToSharePolicy(*options->allocation_policy);
      resource.drain_before_exclusive = options->drain_before_exclusive;
    }
    resource.align_whole_gpus =
        std::all_of(advertised.devices.begin(), advertised.devices.end(), [&](const auto& device) {
          return device.replicas == 1 && plan.devices.at(device.uuid).parent.empty();
        });
    for (const share::AdvertisedDevice& device : advertised.devices) {
      PlannedDevice& planned = plan.devices.at(device.uuid);
      planned.resource = advertised.name;
      planned.replicas = device.replicas;
    }
    resource.advertised = std::move(advertised);
    plan.resources.push_back(std::move(resource));
  }
  WarnAboutMemory(config, inventory, plan);
  return plan;
}

}  // namespace tranche::plan
