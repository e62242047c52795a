#include "plan/memory_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "config/memory_amount.h"

namespace tranche::plan {
namespace {

using config::BytesOf;
using config::BytesText;
using config::MemoryOptions;

std::map<std::string, std::uint64_t> BytesOfDevices(const gpu::Inventory& inventory) {
  std::map<std::string, std::uint64_t> bytes;
  for (const gpu::Gpu& gpu : inventory.gpus) {
    bytes[gpu.uuid] = gpu.memory_bytes;
    for (const gpu::MigDevice& mig : gpu.mig_devices) bytes[mig.uuid] = mig.memory_bytes;
  }
  return bytes;
}

// Whether a resource that is advertised as `advertised` is the one that the entry speaks of.
bool Names(const config::TrancheResource& entry, const config::Config& config,
           const std::string& advertised) {
  if (advertised == (entry.rename.empty() ? entry.name : entry.rename)) return true;
  if (advertised == entry.name + ".shared") return true;
  return std::any_of(config.time_slicing.resources.begin(), config.time_slicing.resources.end(),
                     [&](const config::ReplicatedResource& shared) {
                       return shared.name == entry.name && shared.rename == advertised;
                     });
}

const config::TrancheResource* EntryOf(const config::Config& config, const PlannedDevice& device) {
  for (const config::TrancheResource& entry : config.tranche.resources) {
    if (!entry.memory || !Names(entry, config, device.resource)) continue;
    const bool all = !entry.devices.has_value();
    if (all || std::any_of(entry.devices->begin(), entry.devices->end(), [&](const auto& named) {
          return named.text == device.uuid || named.text == device.index;
        })) {
      return &entry;
    }
  }
  return nullptr;
}

// nullptr: the config says nothing of the device's memory.
const MemoryOptions* OptionsOf(const config::Config& config, const PlannedDevice& device) {
  static const MemoryOptions observed;
  if (const auto* entry = EntryOf(config, device)) return &*entry->memory;
  if (device.replicas < 2) return nullptr;
  return config.tranche.memory ? &*config.tranche.memory : &observed;
}

}  // namespace

std::optional<MemoryRule> MemoryRuleOf(const config::Config& config, const PlannedDevice& device,
                                       std::uint64_t device_bytes) {
  const MemoryOptions* options = OptionsOf(config, device);
  if (options == nullptr || options->mode == config::EnforceMode::kOff || device_bytes == 0) {
    return std::nullopt;
  }
  MemoryRule rule{.enforced = options->mode == config::EnforceMode::kEnforce,
                  .share = {.device_bytes = device_bytes,
                            .reserve_bytes = BytesOf(options->reserve, device_bytes),
                            .limit_bytes = std::nullopt,
                            .max_bytes = std::nullopt,
                            .replicas = device.replicas},
                  .away_open = options->arbiter_away_open};
  if (options->limit) rule.share.limit_bytes = BytesOf(*options->limit, device_bytes);
  if (options->max) rule.share.max_bytes = BytesOf(*options->max, device_bytes);
  return rule;
}

MemoryRules EnforcedMemoryRules(const config::Config& config, const Plan& plan,
                                const gpu::Inventory& inventory) {
  MemoryRules rules;
  const auto bytes = BytesOfDevices(inventory);
  for (const auto& [uuid, device] : plan.devices) {
    const auto size = bytes.find(uuid);
    if (size == bytes.end()) continue;
    auto rule = MemoryRuleOf(config, device, size->second);
    if (rule && rule->enforced) rules[uuid] = *rule;
  }
  return rules;
}

const MemoryOptions* EnforcedMemory(const config::Config& config, const PlannedDevice& device) {
  const MemoryOptions* options = OptionsOf(config, device);
  return options != nullptr && options->mode == config::EnforceMode::kEnforce ? options : nullptr;
}

bool AnyEnforcedMemory(const config::Config& config, const Plan& plan) {
  return std::any_of(plan.devices.begin(), plan.devices.end(), [&](const auto& device) {
    return EnforcedMemory(config, device.second) != nullptr;
  });
}

void WarnAboutMemory(const config::Config& config, const gpu::Inventory& inventory, Plan& plan) {
  std::set<std::string> said;
  for (const auto& walled : EnforcedMemoryRules(config, plan, inventory)) {
    const MemoryRule& rule = walled.second;
    const PlannedDevice& device = plan.devices.at(walled.first);
    const auto* entry = EntryOf(config, device);
    const auto warn = [&](const std::string& what) {
      std::string message = (entry != nullptr ? "memory of '" + device.resource + "'"
                                              : std::string("tranche.memory")) +
                            " on a device of " + BytesText(rule.share.device_bytes) + ": " + what;
      // Equal devices are said once.
      if (!said.insert(message).second) return;
      plan.warnings.push_back({std::move(message), entry != nullptr ? entry->line : 0});
    };
    const std::uint64_t usable = share::UsableMemory(rule.share);
    const std::string usable_text = BytesText(usable);
    if (usable == 0) {
      warn("reserve leaves nothing for pods");
      continue;
    }
    const std::uint64_t limit = rule.share.limit_bytes.value_or(share::WantedMemory(rule.share));
    const auto replicas = static_cast<std::uint64_t>(std::max(rule.share.replicas, 1));
    if (limit > usable / replicas) {
      warn(
          fmt::format("not all of {} replicas can have {}: there are {} without reserve, and pods "
                      "that come late get what is left",
                      replicas, BytesText(limit), usable_text));
    }
    if (rule.share.max_bytes && *rule.share.max_bytes < limit) {
      warn(fmt::format("max, {}, is less than limit, {}, and has no effect",
                       BytesText(*rule.share.max_bytes), BytesText(limit)));
    } else if (rule.share.max_bytes && *rule.share.max_bytes > usable) {
      warn(fmt::format("nobody can have max, {}: there are {} without reserve",
                       BytesText(*rule.share.max_bytes), usable_text));
    }
  }
}

}  // namespace tranche::plan
