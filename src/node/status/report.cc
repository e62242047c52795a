#include "node/status/report.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/document/api_version.h"
#include "base/log.h"
#include "node/status/devices.h"
#include "node/status/health_word.h"
#include "node/status/waiting.h"

namespace tranche::node::status {
namespace {

using base::Json;
using sight::Account;

constexpr double kMilli = 1000;

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json OrNull(bool known, double value) { return known ? Json(value) : Json(); }

Json Watts(std::optional<unsigned> milliwatts) {
  return milliwatts ? Json(*milliwatts / kMilli) : Json();
}

Json SourceJson(const base::Status& status) {
  return Json::MakeObject(
      {{"known", status.ok()}, {"error", status.ok() ? "" : base::Printable(status.message())}});
}

Json Texts(const std::vector<std::string>& texts) {
  Json out = Json::MakeArray();
  for (const std::string& text : texts) out.Append(base::Printable(text));
  return out;
}

Json ConfigJson(const std::optional<NodeConfig>& config) {
  if (!config) return {};
  return Json::MakeObject({{"generation", config->generation},
                           {"profile", base::Printable(config->profile)},
                           {"error", base::Printable(config->error)},
                           {"warnings", Texts(config->warnings)}});
}

Json EventsJson(const std::vector<daemon::Event>& events) {
  Json out = Json::MakeArray();
  for (const daemon::Event& event : events) {
    out.Append(Json::MakeObject({{"type", std::string(daemon::TypeName(event.type))},
                                 {"reason", event.reason},
                                 {"message", base::Printable(event.message)},
                                 {"time", event.wall_time},
                                 {"count", event.count}}));
  }
  return out;
}

Json PodJson(const sight::Holder& holder, const sight::PodUse& use, const Account& account) {
  const bool counted = account.Counted();
  return Json::MakeObject(
      {{"namespace", base::Printable(holder.pod_namespace)},
       {"pod", base::Printable(holder.pod)},
       {"container", base::Printable(holder.container)},
       {"uid", base::Printable(holder.pod_uid)},
       {"memoryBytes", account.memory ? Json(use.memory_bytes) : Json()},
       {"memoryLimitBytes", OrNull(use.memory_limit)},
       {"wouldRefuse", use.memory_limit ? Json(use.would_refuse) : Json()},
       {"processes", use.processes},
       {"granted", use.granted},
       {"replicas", use.replicas},
       {"gpuSeconds", OrNull(counted, use.gpu_seconds)},
       {"busyPercent", account.unmeasured.empty() ? OrNull(use.busy.percent()) : Json()},
       {"energyJoules", OrNull(counted && account.energy_known, use.energy_joules)},
       {"lastActive", OrNull(counted, use.last_active)}});
}

Json PodsJson(const Account& account) {
  Json pods = Json::MakeArray();
  for (const auto& [holder, use] : account.pods) pods.Append(PodJson(holder, use, account));
  return pods;
}

Json RestJson(const Account& account) {
  const bool counted = account.Counted();
  return Json::MakeObject(
      {{"memoryBytes", account.memory ? Json(account.rest.memory_bytes) : Json()},
       {"gpuSeconds", OrNull(counted, account.rest.gpu_seconds)},
       {"energyJoules", OrNull(counted && account.energy_known, account.rest.energy_joules)},
       {"processes", account.rest.processes}});
}

Json ReplicasJson(const identity::Shares* shares) {
  if (shares == nullptr) return {};
  return Json::MakeObject(
      {{"advertised", shares->advertised}, {"held", shares->held}, {"free", shares->free}});
}

Json DeviceJson(const ShownDevice& device, const NodeState& state) {
  const Account& account = *device.account;
  const auto [health, reason] = HealthOf(state, device.uuid);
  const bool measured = account.unmeasured.empty();
  const bool counted = account.Counted();
  static const gpu::Readings none;
  const gpu::Readings& readings = device.usage != nullptr ? device.usage->readings : none;
  const auto shares = state.shares.find(device.uuid);
  const identity::Shares* known = shares == state.shares.end() ? nullptr : &shares->second;
  return Json::MakeObject(
      {{"uuid", base::Printable(device.uuid)},
       {"index", device.index},
       {"gpu", base::Printable(device.gpu->uuid)},
       {"model", base::Printable(device.gpu->name)},
       {"migProfile", device.mig != nullptr ? Json(base::Printable(device.mig->profile)) : Json()},
       {"health", health},
       {"healthReason", base::Printable(reason)},
       {"memoryBytes", account.memory ? Json(account.memory->total) : Json()},
       {"memoryUsedBytes", account.memory ? Json(account.memory->used) : Json()},
       {"busyPercent", measured ? OrNull(account.busy.percent()) : Json()},
       {"busySeconds", OrNull(counted, account.busy_seconds)},
       {"contendedSeconds", OrNull(counted, account.contended_seconds)},
       {"contendedPercent", measured ? OrNull(account.contended.percent()) : Json()},
       {"powerWatts", Watts(readings.power_milliwatts)},
       {"powerLimitWatts", Watts(readings.power_limit_milliwatts)},
       {"temperatureCelsius", OrNull(readings.celsius)},
       {"energyJoules", OrNull(account.energy_known, account.energy_joules)},
       {"resource", known != nullptr ? Json(base::Printable(known->resource)) : Json()},
       {"replicas", ReplicasJson(known)},
       {"unmeasured", base::Printable(account.unmeasured)},
       {"hostProcesses", account.host_processes},
       {"unknownProcesses", account.unknown_processes},
       {"rest", RestJson(account)},
       {"pods", PodsJson(account)}});
}

// One that cannot be looked at: gone, or not told of.
Json UnseenJson(const gpu::GpuState& gpu, const NodeState& state) {
  const auto [health, reason] = HealthOf(state, gpu);
  const bool mig = gpu.index.find(':') != std::string::npos;
  Json out = Json::MakeObject({{"uuid", base::Printable(gpu.uuid)},
                               {"index", gpu.index},
                               {"gpu", mig ? Json() : Json(base::Printable(gpu.uuid))},
                               {"model", mig ? Json() : Json(base::Printable(gpu.name))},
                               {"migProfile", mig ? Json(base::Printable(gpu.name)) : Json()},
                               {"health", health},
                               {"healthReason", base::Printable(reason)}});
  const auto memory = gpu.memory_bytes > 0 ? Json(gpu.memory_bytes) : Json();
  out.Set("memoryBytes", memory);
  for (const char* name : {"memoryUsedBytes", "busyPercent", "busySeconds", "contendedSeconds",
                           "contendedPercent", "powerWatts", "powerLimitWatts",
                           "temperatureCelsius", "energyJoules", "resource", "replicas"}) {
    out.Set(name, Json());
  }
  out.Set("unmeasured", "not there");
  for (const char* name : {"hostProcesses", "unknownProcesses", "rest"}) out.Set(name, Json());
  out.Set("pods", Json::MakeArray());
  return out;
}

std::string WallsWord(const WallsState& state) {
  if (!state.asked_for) return "not installed";
  return state.trouble.empty() ? "standing" : "not standing: " + base::Printable(state.trouble);
}

std::string ShimWord(const delivery::State& state) {
  if (!state.wanted) return "not asked for";
  if (state.published) return "published";
  return "not published" + (state.trouble.empty() ? "" : ": " + base::Printable(state.trouble));
}

Json WallsJson(const WallsState& state) {
  Json out = Json::MakeArray();
  for (const walls::Wall& wall : state.walls) {
    out.Append(Json::MakeObject({{"namespace", base::Printable(wall.pod.pod_namespace)},
                                 {"pod", base::Printable(wall.pod.pod)},
                                 {"uid", base::Printable(wall.pod_uid)},
                                 {"device", base::Printable(wall.device)},
                                 {"limitBytes", wall.limit_bytes},
                                 {"usedBytes", wall.used_bytes},
                                 {"contextBytes", wall.context_bytes},
                                 {"refusals", wall.refusals},
                                 {"programs", static_cast<std::uint64_t>(wall.programs)},
                                 {"passedThrough", wall.passed_through},
                                 {"walled", OrNull(wall.walled)},
                                 {"reason", wall.reason.word},
                                 {"why", base::Printable(wall.reason.text)},
                                 {"ledgerMismatch", wall.mismatch}}));
  }
  return out;
}

Json WaitingJson(const WhoWaits& found) {
  Json out = Json::MakeArray();
  for (const Waiting& waiting : found.pods) {
    out.Append(Json::MakeObject({{"namespace", base::Printable(waiting.pod_namespace)},
                                 {"pod", base::Printable(waiting.pod)},
                                 {"device", base::Printable(waiting.device)},
                                 {"index", waiting.index},
                                 {"for", waiting.what},
                                 {"why", base::Printable(waiting.why)}}));
  }
  return out;
}

}  // namespace

Json NodeStatusJson(const NodeState& state, const gpu::Inventory& inventory,
                    const sight::Sight& sight) {
  Json devices = Json::MakeArray();
  std::set<std::string> seen;
  const std::vector<ShownDevice> shown = ShownDevices(inventory, sight);
  const WhoWaits waiting = FindWaiting(state, shown);
  for (const ShownDevice& device : shown) {
    seen.insert(device.uuid);
    devices.Append(DeviceJson(device, state));
  }
  for (const gpu::GpuState& gpu : state.gpus) {
    if (!seen.contains(gpu.uuid)) devices.Append(UnseenJson(gpu, state));
  }
  return Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                           {"kind", "NodeStatus"},
                           {"version", state.version},
                           {"nodeName", base::Printable(state.node_name)},
                           {"ready", state.ready},
                           {"degraded", Texts(state.degraded)},
                           {"walls", WallsWord(state.walls)},
                           {"shim", ShimWord(state.walls.shim)},
                           {"memoryWalls", WallsJson(state.walls)},
                           {"pods", SourceJson(state.pods)},
                           {"grants", SourceJson(state.grants)},
                           {"dcgmNames", state.dcgm_names},
                           {"fresh", state.fresh},
                           {"config", ConfigJson(state.config)},
                           {"devices", std::move(devices)},
                           {"waiting", WaitingJson(waiting)},
                           {"waitingLeftOut", static_cast<std::uint64_t>(waiting.left_out)},
                           {"events", EventsJson(state.events)}});
}

}  // namespace tranche::node::status
