#include "agent/status/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

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
  } else if (!driver.error.empty()) {
    reasons.push_back("driver: " + driver.error);
  }
  for (const std::string& warning : driver.warnings) reasons.push_back("driver: " + warning);
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
  for (const std::string& warning : gpu.warnings) {
    reasons.push_back(fmt::format("gpu {}: {}", name, warning));
  }
}

// What a part of the node is needed for, and how it is brought about.
struct PartText {
  std::string_view part;  // how its name begins
  std::string_view text;
};

constexpr std::array<PartText, 6> kPartTexts{{
    {"nvidiactl",
     "no container can use a GPU; load the driver's kernel module (nvidia-modprobe -c 0)"},
    {"nvidia-uvm",
     "CUDA does not start in containers; load its kernel module (nvidia-modprobe -u -c 0)"},
    {"gdrdrv", "gdrcopyEnabled gives containers nothing; load its kernel module"},
    {"nvidia-fs", "gdsEnabled gives containers nothing; load its kernel module"},
    {"infiniband",
     "mofedEnabled gives containers nothing; see that the network card's driver is loaded"},
    {"imex-channel",
     "containers are not given this channel of imex.channelIDs; see that it was made "
     "(nvidia-modprobe -i)"},
}};

void AddMissingReason(const std::string& part, std::vector<std::string>& reasons) {
  const auto known = std::ranges::find_if(
      kPartTexts, [&](const PartText& one) { return part.starts_with(one.part); });
  const std::string_view text = known == kPartTexts.end() ? "containers need it" : known->text;
  reasons.push_back(fmt::format("node: {} is missing: {}", part, text));
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
  for (const std::string& part : missing_parts) AddMissingReason(part, reasons);
  for (const agent::serve::ResourceState& resource : resources)
    AddResourceReasons(resource, reasons);
  if (walls.Missing()) reasons.push_back("walls: not installed: " + walls.why_not);
  reasons.insert(reasons.end(), warnings.begin(), warnings.end());
  return reasons;
}

}  // namespace tranche::agent::status
