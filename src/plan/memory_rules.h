// What a config says of the memory of each device: who may have how much, and whether that is
// enforced.
//
// An entry of `tranche.resources` with `memory` speaks for the devices that are advertised under
// its resource's name, and where it lists devices for those of them alone; of several such entries
// the first one. `tranche.memory` speaks for every other device that is shared, and where the
// config has no such key either, memory is observed. Of a whole GPU nothing is said unless an entry
// does.
//
// Threading: plain functions.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "config/config.h"
#include "gpu/device.h"
#include "plan/plan.h"
#include "share/memory_limits.h"

namespace tranche::plan {

struct MemoryRule {
  bool enforced = false;
  share::MemoryShare share;  // of one replica
  bool away_open = true;
};

// Of a device of so much memory; nullopt: nothing is said of it, or its memory is not known.
std::optional<MemoryRule> MemoryRuleOf(const config::Config& config, const PlannedDevice& device,
                                       std::uint64_t device_bytes);

// By the UUID of the GPU or MIG device.
using MemoryRules = std::map<std::string, MemoryRule>;

// The devices that have walls, which are those whose rule is enforced.
MemoryRules EnforcedMemoryRules(const config::Config& config, const Plan& plan,
                                const gpu::Inventory& inventory);

// What is to be enforced on the device, however large it is; nullptr: it has no wall. It points
// into `config`.
[[nodiscard]] const config::MemoryOptions* EnforcedMemory(const config::Config& config,
                                                          const PlannedDevice& device);

// Whether any device of the plan has a wall.
[[nodiscard]] bool AnyEnforcedMemory(const config::Config& config, const Plan& plan);

// Adds to the plan what these rules should be warned of: bounds above the memory of a device of
// this node, and limits that not all pods can have at once.
void WarnAboutMemory(const config::Config& config, const gpu::Inventory& inventory, Plan& plan);

}  // namespace tranche::plan
