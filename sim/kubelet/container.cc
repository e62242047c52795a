#include "sim/kubelet/container.h"

#include <sys/wait.h>

#include <map>

namespace tranche::sim {

ProcessSpec ContainerProcess(const PodSpec& pod, const kubelet::ContainerAnswer& given,
                             const std::string& directory) {
  ProcessSpec spec;
  spec.command = pod.command;
  if (spec.command.empty()) spec.command = {"sleep", "infinity"};
  spec.env = pod.env;  // a pod's own variables win over the plugin's
  spec.env.insert(given.env.begin(), given.env.end());
  spec.env.insert({{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                   {"HOME", "/"},
                   {"HOSTNAME", pod.name}});
  spec.mounts = given.mounts;
  spec.devices = given.devices;
  spec.directory = directory;
  return spec;
}

void AddDevices(Pod& pod, const DeviceManager& manager) {
  pod.devices = manager.DevicesOf(pod.uid, kContainer);
  std::map<std::string, std::map<std::string, bool>> health;  // by resource and id
  for (const AllocatedDevice& device : pod.devices) {
    auto known = health.find(device.resource);
    if (known == health.end()) {
      known = health.emplace(device.resource, manager.HealthOf(device.resource)).first;
    }
    // A device that is no longer advertised counts as healthy, as in the kubelet.
    const auto state = known->second.find(device.id);
    if (state != known->second.end() && !state->second) pod.unhealthy.push_back(device.id);
  }
}

void SetEnd(Pod& pod, std::optional<int> wait_status) {
  if (!wait_status) {
    pod.phase = PodPhase::kFailed;
    pod.reason = "ContainerStatusUnknown";
    pod.message = "the process ended while nobody who could know was watching";
    return;
  }
  pod.exit_code =
      WIFEXITED(*wait_status) ? WEXITSTATUS(*wait_status) : 128 + WTERMSIG(*wait_status);
  pod.phase = *pod.exit_code == 0 ? PodPhase::kSucceeded : PodPhase::kFailed;
  pod.reason = *pod.exit_code == 0 ? "Completed" : "Error";
}

}  // namespace tranche::sim
