// Which devices have a memory wall by a config: one decision, for whoever puts a wall into a pod
// (the agent) and whoever holds it up (`tranche node`).
//
// A whole GPU, one that is not shared, has a wall only where an entry of `tranche.resources` with
// `memory` names it.
//
// Threading: pure; safe on any thread.
// Errors: none.
#pragma once

#include "config/config.h"
#include "plan/plan.h"

namespace tranche::plan {

// What the config says of this device's memory, where its mode is `enforce`; nullptr: no wall. It
// points into `config`.
[[nodiscard]] const config::MemoryOptions* EnforcedMemory(const config::Config& config,
                                                          const PlannedDevice& device);

// Whether any device of the plan has a wall.
[[nodiscard]] bool AnyEnforcedMemory(const config::Config& config, const Plan& plan);

}  // namespace tranche::plan
