#include "node/status/health_word.h"

#include <algorithm>

namespace tranche::node::status {

std::pair<std::string, std::string> HealthOf(const NodeState& state, const gpu::GpuState& gpu) {
  if (gpu.lost) return {"Lost", gpu.reason};
  if (!gpu.error.empty()) return {"Unhealthy", gpu.error};
  if (!gpu.healthy) return {"Unhealthy", gpu.reason};
  if (state.fresh) return {"Healthy", ""};
  return {"Unknown", "the driver has said nothing new for a while"};
}

std::pair<std::string, std::string> HealthOf(const NodeState& state, const std::string& uuid) {
  const auto gpu = std::ranges::find(state.gpus, uuid, &gpu::GpuState::uuid);
  if (gpu == state.gpus.end()) return {"Unknown", "not looked at yet"};
  return HealthOf(state, *gpu);
}

}  // namespace tranche::node::status
