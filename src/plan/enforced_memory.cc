#include "plan/enforced_memory.h"

#include <algorithm>

namespace tranche::plan {
namespace {

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

const config::MemoryOptions* OfEntry(const config::Config& config, const PlannedDevice& device) {
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

const config::MemoryOptions* EnforcedMemory(const config::Config& config,
                                            const PlannedDevice& device) {
  const config::MemoryOptions* memory = OfEntry(config, device);
  if (memory == nullptr && config.tranche.memory && device.replicas > 1) {
    memory = &*config.tranche.memory;
  }
  const bool enforced = memory != nullptr && memory->mode == config::EnforceMode::kEnforce;
  return enforced ? memory : nullptr;
}

bool AnyEnforcedMemory(const config::Config& config, const Plan& plan) {
  return std::any_of(plan.devices.begin(), plan.devices.end(), [&](const auto& device) {
    return EnforcedMemory(config, device.second) != nullptr;
  });
}

}  // namespace tranche::plan
