// Agent::Snapshot: what the agent knows, as the plain value that reports are made from.
#include <algorithm>

#include "agent/agent.h"

namespace tranche::agent {

namespace {

agent::status::GpuState StateOf(const std::string& uuid, const std::string& index,
                                const std::string& name, std::uint64_t memory_bytes,
                                const gpu::HealthTracker& health, base::TimePoint now) {
  agent::status::GpuState state{.uuid = uuid,
                                .index = index,
                                .name = name,
                                .memory_bytes = memory_bytes,
                                .healthy = true,
                                .lost = false,
                                .reason = "",
                                .healthy_in_seconds = {},
                                .error = ""};
  const auto it = health.unhealthy().find(uuid);
  if (it == health.unhealthy().end()) return state;
  state.healthy = false;
  state.lost = it->second.lost;
  state.reason = it->second.reason;
  if (it->second.healthy_at != base::TimePoint::max()) {
    state.healthy_in_seconds =
        std::max(0.0, std::chrono::duration<double>(it->second.healthy_at - now).count());
  }
  return state;
}

}  // namespace

status::AgentState Agent::Snapshot() const {
  const base::TimePoint now = loop_.Now();
  agent::status::AgentState state;
  state.version = options_.version;
  state.started = identity_.started;
  state.node_name = options_.node_name;
  if (configurator_ != nullptr) state.config = configurator_->state();
  state.driver.ready = driver_known_ && driver_status_.ok();
  state.driver.version = seen_.driver_version;
  if (seen_.cuda_major > 0) {
    state.driver.cuda_version =
        std::to_string(seen_.cuda_major) + "." + std::to_string(seen_.cuda_minor);
  }
  state.driver.error = driver_known_ ? driver_status_.message() : "not asked yet";
  if (driver_ != nullptr) {
    if (const auto stuck = driver_->StuckCall()) {
      state.driver.stuck_call = stuck->call;
      state.driver.stuck_seconds = std::chrono::duration<double>(stuck->age).count();
    }
  }
  for (const gpu::Gpu& gpu : inventory_.gpus) {
    state.gpus.push_back(
        StateOf(gpu.uuid, std::to_string(gpu.index), gpu.name, gpu.memory_bytes, health_, now));
    for (const gpu::MigDevice& mig : gpu.mig_devices) {
      state.gpus.push_back(StateOf(mig.uuid,
                                   std::to_string(gpu.index) + ":" + std::to_string(mig.index),
                                   mig.profile, mig.memory_bytes, health_, now));
    }
  }
  for (const gpu::BrokenGpu& broken : seen_.broken) {
    // One that is remembered from when it still told its UUID is there already.
    if (broken.uuid.empty() && std::ranges::find(inventory_.gpus, broken.index, &gpu::Gpu::index) !=
                                   inventory_.gpus.end()) {
      continue;
    }
    agent::status::GpuState gpu;
    gpu.uuid = broken.uuid;
    gpu.index = std::to_string(broken.index);
    gpu.healthy = false;
    gpu.error = broken.error;
    state.gpus.push_back(std::move(gpu));
  }
  state.resources = served_.States();
  state.holders_known = holders_.known();
  state.holders_error = holders_.known() ? "" : holders_.status().message();
  if (handover_ != nullptr && !handover_->incumbent()) {
    if (const auto predecessor = handover_->predecessor()) state.predecessor = predecessor->Text();
  }
  state.kubernetes = KubernetesSnapshot();
  state.warnings = plan_warnings_;
  for (std::string& warning : served_.Warnings()) state.warnings.push_back(std::move(warning));
  if (handover_ != nullptr && !handover_->status().ok()) {
    state.warnings.push_back(handover_->status().message());
  }
  state.events = events_;
  return state;
}

}  // namespace tranche::agent
