#include "node/walls/rules.h"

#include "plan/enforced_memory.h"

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

}  // namespace

Rules RulesOf(const config::Config& config, const plan::Plan& plan,
              const gpu::Inventory& inventory) {
  Rules rules;
  const auto bytes = BytesOfDevices(inventory);
  for (const auto& [uuid, device] : plan.devices) {
    const config::MemoryOptions* memory = plan::EnforcedMemory(config, device);
    const auto size = bytes.find(uuid);
    if (memory == nullptr || size == bytes.end() || size->second == 0) continue;
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
