#include "cli/top/use.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "base/document/api_version.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/text.h"

namespace tranche::cli::top {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr std::size_t kMaxName = 256;  // a pod's name has at most 253 characters
constexpr std::size_t kMaxReason = 400;
constexpr std::size_t kMaxReasons = 32;

std::string Name(const Json& json, const base::JsonPath& path) {
  return base::PrintableAt(json, path, kMaxName);
}

// Not what is below 0 or no number: none of the figures can be.
std::optional<double> Figure(const Json& json, const base::JsonPath& path) {
  const auto value = base::NumberAt(json, path);
  return value && std::isfinite(*value) && *value >= 0 ? value : std::nullopt;
}

std::span<const Json> Some(const Json& json, std::string_view key, std::size_t most) {
  const std::span<const Json> items(base::ItemsAt(json, key));
  return items.first(std::min(items.size(), most));
}

// A key that is there and says no. A document without the key says nothing.
bool SaysNo(const Json& json, const base::JsonPath& path) {
  const Json& value = base::ValueAt(json, path);
  return value.is_bool() && !value.as_bool();
}

PodUse ReadPod(const Json& pod, bool grants_known) {
  PodUse use;
  use.pod_namespace = Name(pod, "namespace");
  use.pod = Name(pod, "pod");
  use.container = Name(pod, "container");
  use.uid = Name(pod, "uid");
  use.memory_bytes = Figure(pod, "memoryBytes");
  use.limit_bytes = Figure(pod, "memoryLimitBytes");
  use.would_refuse = Figure(pod, "wouldRefuse");
  use.processes = Figure(pod, "processes");
  use.replicas = Figure(pod, "replicas");
  use.gpu_seconds = Figure(pod, "gpuSeconds");
  use.busy_percent = Figure(pod, "busyPercent");
  use.energy_joules = Figure(pod, "energyJoules");
  use.last_active = Figure(pod, "lastActive");
  use.stranger = grants_known && SaysNo(pod, "granted");
  return use;
}

DeviceUse ReadDevice(const Json& device, bool grants_known) {
  DeviceUse use;
  use.uuid = Name(device, "uuid");
  use.index = Name(device, "index");
  use.model = Name(device, "model");
  use.mig_profile = Name(device, "migProfile");
  use.health = Name(device, "health");
  if (use.health == "Unknown") use.health.clear();
  use.health_reason = base::PrintableAt(device, "healthReason", kMaxReason);
  use.resource = Name(device, "resource");
  use.memory_bytes = Figure(device, "memoryBytes");
  use.memory_used_bytes = Figure(device, "memoryUsedBytes");
  use.busy_percent = Figure(device, "busyPercent");
  use.contended_percent = Figure(device, "contendedPercent");
  use.power_watts = Figure(device, "powerWatts");
  use.power_limit_watts = Figure(device, "powerLimitWatts");
  use.temperature_celsius = Figure(device, "temperatureCelsius");
  use.replicas_advertised = Figure(device, {"replicas", "advertised"});
  use.replicas_held = Figure(device, {"replicas", "held"});
  use.unmeasured = base::PrintableAt(device, "unmeasured", kMaxReason);
  use.rest = {.memory_bytes = Figure(device, {"rest", "memoryBytes"}),
              .processes = Figure(device, {"rest", "processes"})};
  for (const Json& pod : Some(device, "pods", kMaxPods)) {
    use.pods.push_back(ReadPod(pod, grants_known));
  }
  return use;
}

// By device, namespace and pod.
using Walls = std::map<std::tuple<std::string, std::string, std::string>, WallUse>;

Walls ReadWalls(const Json& status) {
  Walls walls;
  for (const Json& item : Some(status, "memoryWalls", kMaxWalls)) {
    WallUse wall;
    wall.limit_bytes = Figure(item, "limitBytes");
    wall.used_bytes = Figure(item, "usedBytes");
    wall.context_bytes = Figure(item, "contextBytes");
    wall.refusals = Figure(item, "refusals");
    const Json& walled = base::ValueAt(item, "walled");
    if (walled.is_bool()) wall.walled = walled.as_bool();
    wall.reason = Name(item, "reason");
    wall.why = base::PrintableAt(item, "why", kMaxReason);
    wall.mismatch = base::BoolAt(item, "ledgerMismatch");
    walls.try_emplace({Name(item, "device"), Name(item, "namespace"), Name(item, "pod")},
                      std::move(wall));
  }
  return walls;
}

void AddWalls(const Walls& walls, DeviceUse& device) {
  for (PodUse& pod : device.pods) {
    const auto wall = walls.find({device.uuid, pod.pod_namespace, pod.pod});
    if (wall != walls.end()) pod.wall = wall->second;
  }
}

// Greater first, what is not known last.
double Descending(const std::optional<double>& value) { return value ? -*value : 1; }
// Less first, what is not known last.
double Ascending(const std::optional<double>& value) { return value ? *value : INFINITY; }

}  // namespace

std::string PodUse::FullName() const {
  return pod_namespace.empty() ? pod : pod_namespace + "/" + pod;
}

std::string WallUse::Word() const {
  if (!walled) return "-";
  if (*walled) return "yes";
  return reason.empty() ? "no" : "no: " + reason;
}

std::optional<double> PodUse::Limit() const {
  return wall && wall->limit_bytes ? wall->limit_bytes : limit_bytes;
}

// By the profile. A wall is the pod's, and what its container has says little of it.
bool PodUse::OverLimit() const {
  return !wall && memory_bytes && limit_bytes && *memory_bytes > *limit_bytes;
}

std::string PodUse::Flags() const {
  std::vector<std::string> flags;
  if (stranger) flags.emplace_back("not granted");
  if (OverLimit()) flags.emplace_back("over limit");
  if (wall && wall->walled == false) {
    flags.push_back(wall->reason.empty() ? "no wall" : "no wall: " + wall->reason);
  }
  if (wall && wall->mismatch) flags.emplace_back("more than counted");
  if (wall && wall->refusals.value_or(0) > 0) {
    flags.push_back(fmt::format("{:.0f} refused", *wall->refusals));
  }
  return base::Join(flags, ", ");
}

bool NodeUse::HasWalls() const {
  return std::ranges::any_of(devices, [](const DeviceUse& device) {
    return std::ranges::any_of(device.pods, [](const PodUse& pod) { return pod.wall.has_value(); });
  });
}

Result<NodeUse> ReadNodeUse(const Json& status) {
  if (base::TextAt(status, "kind") != "NodeStatus") {
    return Status(Code::kInvalidArgument, "the answer is not of tranche node: no NodeStatus");
  }
  if (base::TextAt(status, "apiVersion") != base::document::kApiVersion) {
    return Status(Code::kInvalidArgument,
                  "tranche node there answers in a version that this program does not know: " +
                      Name(status, "apiVersion"));
  }
  NodeUse node;
  node.node = Name(status, "nodeName");
  node.version = Name(status, "version");
  node.ready = base::BoolAt(status, "ready");
  node.fresh = !SaysNo(status, "fresh");
  for (const Json& reason : Some(status, "degraded", kMaxReasons)) {
    if (reason.is_string())
      node.degraded.push_back(base::Printable(reason.as_string(), kMaxReason));
  }
  const bool grants_known = !SaysNo(status, {"grants", "known"});
  const Walls walls = ReadWalls(status);
  for (const Json& device : Some(status, "devices", kMaxDevices)) {
    node.devices.push_back(ReadDevice(device, grants_known));
    AddWalls(walls, node.devices.back());
  }
  return node;
}

std::string_view SortName(Sort sort) {
  switch (sort) {
    case Sort::kBusy:
      return "busy";
    case Sort::kMemory:
      return "memory";
    case Sort::kIdle:
      return "idle";
    case Sort::kName:
      break;
  }
  return "name";
}

std::optional<Sort> ParseSort(std::string_view name) {
  for (const Sort sort : kSorts) {
    if (SortName(sort) == name) return sort;
  }
  return std::nullopt;
}

bool Before(const PodUse& a, const PodUse& b, Sort sort) {
  const auto key = [sort](const PodUse& pod) {
    const double busy = Descending(pod.busy_percent);
    const double memory = Descending(pod.memory_bytes);
    switch (sort) {
      case Sort::kBusy:
        return std::pair(busy, memory);
      case Sort::kMemory:
        return std::pair(memory, busy);
      case Sort::kIdle:
        return std::pair(Ascending(pod.last_active), memory);
      case Sort::kName:
        break;
    }
    return std::pair(0.0, 0.0);
  };
  return std::tuple(key(a), a.FullName(), a.container) <
         std::tuple(key(b), b.FullName(), b.container);
}

void SortPods(NodeUse& node, Sort sort) {
  for (DeviceUse& device : node.devices) {
    std::stable_sort(device.pods.begin(), device.pods.end(),
                     [sort](const PodUse& a, const PodUse& b) { return Before(a, b, sort); });
  }
}

}  // namespace tranche::cli::top
