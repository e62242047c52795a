// The health of a device in one word, and why it is not well.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <string>
#include <utility>

#include "node/status/metrics.h"

namespace tranche::node::status {

// "Healthy", "Unhealthy", "Lost" or "Unknown", and the reason.
std::pair<std::string, std::string> HealthOf(const NodeState& state, const gpu::GpuState& gpu);
// By the UUID of a GPU or MIG device.
std::pair<std::string, std::string> HealthOf(const NodeState& state, const std::string& uuid);

}  // namespace tranche::node::status
