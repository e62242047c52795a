// A pod's one container: what its process is made of, and what the end of that process says of the
// pod.
//
// Threading: plain functions of their arguments, safe on any thread.
// Errors: none.
#pragma once

#include <optional>
#include <string>

#include "kubelet/device_plugin.h"
#include "sim/kubelet/device_manager.h"
#include "sim/kubelet/kubelet.h"
#include "sim/kubelet/pod_process.h"

namespace tranche::sim {

inline constexpr char kContainer[] = "main";

// The process of `pod` with what plugins gave for it, in `directory`.
[[nodiscard]] ProcessSpec ContainerProcess(const PodSpec& pod,
                                           const kubelet::ContainerAnswer& given,
                                           const std::string& directory);

// The devices that it was given, and which of them are unhealthy.
void AddDevices(Pod& pod, const DeviceManager& manager);

// Phase, reason and exit code after the end of the process; nothing where nobody saw how it ended.
void SetEnd(Pod& pod, std::optional<int> wait_status);

}  // namespace tranche::sim
