#include "agent/status/state.h"

#include <fmt/format.h>

namespace tranche::agent::status {

namespace {

constexpr char kServing[] = "serving";

// A registration counts when its ListAndWatch has arrived, so it stays true through a kubelet's
// restart: the agent is then waiting, not unready.
bool HasServed(const agent::serve::ResourceState& resource) {
  return resource.phase == kServing || resource.registrations > 0;
}

void AddConfigReasons(const profile::ConfigState& config, std::vector<std::string>& reasons) {
  if (!config.error.empty()) {
    reasons.push_back("config: " + config.error);
  } else if (!config.awaiting.empty()) {
    reasons.push_back("config: not known yet: " + config.awaiting);
  } else if (!config.usable) {
    reasons.emplace_back("config: none is in force yet");
  }
  if (config.from_last_good) {
    reasons.emplace_back(
        fmt::format("config: the last good one{} is in force instead",
                    config.profile.empty() ? "" : fmt::format(" (profile {})", config.profile)));
  }
  if (!config.not_saved.empty()) {
    reasons.push_back("config: the last good one is not saved: " + config.not_saved);
  }
  for (const std::string& part : config.not_in_force) {
    reasons.push_back(fmt::format("config: {} is asked for but not in force", part));
  }
}

void AddKubernetesReasons(const profile::KubernetesState& kubernetes,
                          std::vector<std::string>& reasons) {
  if (kubernetes.used && kubernetes.api != profile::kInSync) {
    reasons.push_back("kubernetes: not in sync: " + kubernetes.api);
  }
}

void AddDriverReasons(const gpu::DriverState& driver, std::vector<std::string>& reasons) {
  if (!driver.ready) {
    reasons.push_back("driver: " + (driver.error.empty() ? "not ready" : driver.error));
  }
  if (!driver.stuck_call.empty()) {
    reasons.push_back(fmt::format("driver: {} has not returned for {:.0f} s", driver.stuck_call,
                                  driver.stuck_seconds));
  }
}

void AddGpuReasons(const gpu::GpuState& gpu, std::vector<std::string>& reasons) {
  const std::string& name = gpu.uuid.empty() ? gpu.index : gpu.uuid;
  if (!gpu.error.empty()) {
    reasons.push_back(fmt::format("gpu {}: {}", name, gpu.error));
  } else if (gpu.lost) {
    reasons.push_back(fmt::format("gpu {}: lost", name));
  } else if (!gpu.healthy) {
    reasons.push_back(
        fmt::format("gpu {}: unhealthy{}{}", name, gpu.reason.empty() ? "" : ": ", gpu.reason));
  }
}

void AddResourceReasons(const agent::serve::ResourceState& resource,
                        std::vector<std::string>& reasons) {
  if (!resource.error.empty()) {
    reasons.push_back(fmt::format("resource {}: {}", resource.name, resource.error));
  } else if (resource.phase != kServing) {
    reasons.push_back(fmt::format("resource {}: {}", resource.name,
                                  resource.phase.empty() ? "starting" : resource.phase));
  }
}

}  // namespace

bool AgentState::Ready() const {
  if (!config.usable) return false;
  for (const agent::serve::ResourceState& resource : resources) {
    if (!HasServed(resource)) return false;
  }
  return true;
}

std::vector<std::string> AgentState::Degraded() const {
  std::vector<std::string> reasons;
  AddConfigReasons(config, reasons);
  AddKubernetesReasons(kubernetes, reasons);
  AddDriverReasons(driver, reasons);
  for (const gpu::GpuState& gpu : gpus) AddGpuReasons(gpu, reasons);
  for (const agent::serve::ResourceState& resource : resources)
    AddResourceReasons(resource, reasons);
  reasons.insert(reasons.end(), warnings.begin(), warnings.end());
  return reasons;
}

}  // namespace tranche::agent::status
