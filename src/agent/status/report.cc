#include "agent/status/report.h"

namespace tranche::agent::status {

namespace {

using base::Json;

constexpr char kApiVersion[] = "tranche.dev/v1";

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json ConfigJson(const profile::ConfigState& config) {
  return Json::MakeObject({{"usable", config.usable},
                           {"profile", config.profile},
                           {"source", config.source},
                           {"fromLastGood", config.from_last_good},
                           {"wantedProfile", config.wanted_profile},
                           {"wantedSource", config.wanted_source},
                           {"error", config.error},
                           {"awaiting", config.awaiting},
                           {"warnings", Json::MakeTexts(config.warnings)},
                           {"notInForce", Json::MakeTexts(config.not_in_force)},
                           {"applied", config.applied},
                           {"rejected", config.rejected}});
}

Json DriverJson(const gpu::DriverState& driver) {
  return Json::MakeObject({{"ready", driver.ready},
                           {"version", driver.version},
                           {"cudaVersion", driver.cuda_version},
                           {"error", driver.error},
                           {"stuckCall", driver.stuck_call},
                           {"stuckSeconds", driver.stuck_seconds},
                           {"warnings", Json::MakeTexts(driver.warnings)}});
}

Json GpuJson(const gpu::GpuState& gpu) {
  return Json::MakeObject({{"uuid", gpu.uuid},
                           {"index", gpu.index},
                           {"name", gpu.name},
                           {"memoryBytes", gpu.memory_bytes},
                           {"healthy", gpu.healthy},
                           {"lost", gpu.lost},
                           {"reason", gpu.reason},
                           {"healthyInSeconds", OrNull(gpu.healthy_in_seconds)},
                           {"error", gpu.error},
                           {"warnings", Json::MakeTexts(gpu.warnings)}});
}

Json ResourceJson(const agent::serve::ResourceState& resource) {
  return Json::MakeObject({{"name", resource.name},
                           {"original", resource.original},
                           {"endpoint", resource.endpoint},
                           {"phase", resource.phase},
                           {"shared", resource.shared},
                           {"devices", resource.devices},
                           {"healthy", resource.healthy},
                           {"held", OrNull(resource.held)},
                           {"registrations", resource.registrations},
                           {"allocations", resource.allocations},
                           {"refusals", resource.refusals},
                           {"error", resource.error}});
}

// null where no API server is asked.
Json KubernetesJson(const profile::KubernetesState& kubernetes) {
  if (!kubernetes.used) return {};
  return Json::MakeObject({{"api", kubernetes.api},
                           {"nodeLabel", kubernetes.node_label},
                           {"labelValue", OrNull(kubernetes.label_value)},
                           {"configMap", kubernetes.config_map},
                           {"configMapResourceVersion", kubernetes.config_map_version},
                           {"clusterPolicy", kubernetes.cluster_policy},
                           {"events", kubernetes.events}});
}

Json EventJson(const daemon::Event& event) {
  return Json::MakeObject({{"type", std::string(daemon::TypeName(event.type))},
                           {"reason", event.reason},
                           {"message", event.message},
                           {"time", event.wall_time},
                           {"count", event.count}});
}

template <class Items, class Render>
Json Each(const Items& items, Render render) {
  Json out = Json::MakeArray();
  for (const auto& item : items) out.Append(render(item));
  return out;
}

base::HttpAnswer JsonAnswer(int status, const Json& body) {
  return {.status = status, .content_type = "application/json", .body = body.Dump() + "\n"};
}

}  // namespace

Json StatusJson(const AgentState& state) {
  const std::vector<std::string> degraded = state.Degraded();
  Json holders = Json::MakeObject({{"known", state.holders_known}, {"error", state.holders_error}});
  return Json::MakeObject({{"apiVersion", kApiVersion},
                           {"kind", "AgentStatus"},
                           {"version", state.version},
                           {"started", state.started},
                           {"nodeName", state.node_name},
                           {"ready", state.Ready()},
                           {"degraded", Json::MakeTexts(degraded)},
                           {"config", ConfigJson(state.config)},
                           {"driver", DriverJson(state.driver)},
                           {"gpus", Each(state.gpus, GpuJson)},
                           {"resources", Each(state.resources, ResourceJson)},
                           {"holders", std::move(holders)},
                           {"kubernetes", KubernetesJson(state.kubernetes)},
                           {"predecessor", state.predecessor},
                           {"warnings", Json::MakeTexts(state.warnings)},
                           {"events", Each(state.events, EventJson)}});
}

base::HttpAnswer Livez(const AgentState& state) {
  return JsonAnswer(200, Json::MakeObject({{"apiVersion", kApiVersion},
                                           {"live", true},
                                           {"ready", state.Ready()},
                                           {"reasons", Json::MakeTexts(state.Degraded())}}));
}

base::HttpAnswer Readyz(const AgentState& state) {
  const bool ready = state.Ready();
  return JsonAnswer(ready ? 200 : 503,
                    Json::MakeObject({{"apiVersion", kApiVersion},
                                      {"ready", ready},
                                      {"reasons", Json::MakeTexts(state.Degraded())}}));
}

base::HttpAnswer StatusAnswer(const AgentState& state) {
  return JsonAnswer(200, StatusJson(state));
}

}  // namespace tranche::agent::status
