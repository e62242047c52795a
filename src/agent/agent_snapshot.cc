// Agent::Snapshot: what the agent knows, as the plain value that reports are made from.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/agent.h"

namespace tranche::agent {

namespace {

// What is advertised and cannot be used is unhealthy, also where the driver does not list it.
void AddUnfit(const plan::Unfit& unfit, const plan::Plan& plan, std::vector<gpu::GpuState>& gpus) {
  for (const auto& [uuid, why] : unfit) {
    auto gpu = std::ranges::find(gpus, uuid, &gpu::GpuState::uuid);
    if (gpu == gpus.end()) {
      gpu::GpuState gone;
      gone.uuid = uuid;
      if (const auto planned = plan.devices.find(uuid); planned != plan.devices.end()) {
        gone.index = planned->second.index;
        gone.name = planned->second.profile;
      }
      gpu = gpus.insert(gpus.end(), std::move(gone));
    }
    if (gpu->healthy) gpu->reason = why;
    gpu->healthy = false;
  }
}

void AddStuck(const std::string& whose, const base::disk::Worker& worker,
              std::vector<std::string>& warnings) {
  const auto stuck = worker.StuckJob();
  if (!stuck) return;
  warnings.push_back(
      fmt::format("{}{} has not returned for {} s", whose, stuck->what,
                  std::chrono::duration_cast<std::chrono::seconds>(stuck->age).count()));
}

}  // namespace

status::AgentState Agent::Snapshot() const {
  status::AgentState state;
  state.version = options_.version;
  state.started = daemon::handover::AgentIdentity::Self().started;
  state.node_name = options_.node_name;
  state.config = config_.state();
  state.config.warnings.insert(state.config.warnings.end(), options_.install_warnings.begin(),
                               options_.install_warnings.end());
  state.driver = gpus_.Driver();
  state.gpus = gpus_.Gpus();
  if (const auto& applied = serving_.served().applied()) {
    AddUnfit(shortfall_.unfit(), applied->plan, state.gpus);
  }
  state.missing_parts = parts_.facts().missing;
  state.walls = {.asked = parts_.shim().asked(), .why_not = parts_.shim().why()};
  state.resources = serving_.served().States();
  const serve::Holders& holders = serving_.holders();
  state.holders_known = holders.known();
  state.holders_error = holders.known() ? "" : holders.status().message();
  if (const auto predecessor = succession_.predecessor()) state.predecessor = predecessor->Text();
  if (daemon_.api().wanted()) {
    state.kubernetes.used = true;
    state.kubernetes.api =
        daemon_.api().status().ok() ? profile::kInSync : daemon_.api().status().message();
    config_.source().Describe(state.kubernetes);
    state.kubernetes.events = daemon_.events().kubernetes_state();
  }
  state.warnings = shortfall_.warnings();
  for (std::string& warning : serving_.served().Warnings()) {
    state.warnings.push_back(std::move(warning));
  }
  if (const std::string why = parts_.degraded(); !why.empty()) {
    state.warnings.push_back("containers: " + why);
  }
  if (!succession_.status().ok()) state.warnings.push_back(succession_.status().message());
  AddStuck("disk: ", *workers_.disk, state.warnings);
  AddStuck("driver root: ", *workers_.driver_root, state.warnings);
  state.events = daemon_.events().events();
  return state;
}

}  // namespace tranche::agent
