#include "node/walls/rules.h"

#include <algorithm>
#include <vector>

namespace tranche::node::walls {
namespace {

constexpr std::uint64_t kThousand = 1000;

std::uint64_t BytesOf(const config::MemoryAmount& amount, std::uint64_t device_bytes) {
  if (const auto* bytes = std::get_if<config::Bytes>(&amount)) return bytes->bytes;
  const auto part = static_cast<std::uint64_t>(std::get<config::Milli>(amount).thousandths);
  return device_bytes / kThousand * part + device_bytes % kThousand * part / kThousand;
}

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

const config::MemoryOptions* OfEntry(const config::Config& config,
                                     const plan::PlannedDevice& device) {
  for (const config::TrancheResource& entry : config.tranche.resources) {
    if (!entry.memory || !Names(entry, config, device.resource)) continue;
    const bool all = !entry.devices.has_value();
    if (all || std::any_of(entry.devices->begin(), entry.devices->end(), [&](const auto& named) {
          return named.text == device.uuid || named.text == device.index;
        })) {
      return &*entry.memory;
    }
  }
  return nullptr;
}

}  // namespace

Rules RulesOf(const config::Config& config, const plan::Plan& plan,
              const gpu::Inventory& inventory) {
  Rules rules;
  const auto bytes = BytesOfDevices(inventory);
  for (const auto& [uuid, device] : plan.devices) {
    const config::MemoryOptions* memory = OfEntry(config, device);
    if (memory == nullptr && config.tranche.memory && device.replicas > 1) {
      memory = &*config.tranche.memory;
    }
    const auto size = bytes.find(uuid);
    if (memory == nullptr || memory->mode != config::EnforceMode::kEnforce || size == bytes.end() ||
        size->second == 0) {
      continue;
    }
    Rule rule{.device_bytes = size->second,
              .reserve_bytes = BytesOf(memory->reserve, size->second),
              .replicas = device.replicas,
              .away_open = memory->arbiter_away_open};
    if (memory->limit) rule.limit_bytes = BytesOf(*memory->limit, size->second);
    rules[uuid] = rule;
  }
  return rules;
}

}  // namespace tranche::node::walls
