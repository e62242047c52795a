#include "agent/status/report.h"

#include <utility>

#include "base/document/api_version.h"
#include "base/log.h"

namespace tranche::agent::status {

namespace {

using base::Json;

// Far above what the parts give: each bounds its own.
constexpr std::size_t kMaxTextBytes = 8192;
constexpr std::size_t kMaxItems = 4096;

// The same with every text escaped and cut, and no list without end: whatever part a text has come
// through, nothing from outside reaches a reader as it came.
Json Bounded(const Json& json) {
  if (json.is_string()) return base::Printable(json.as_string(), kMaxTextBytes);
  if (json.is_array()) {
    Json out = Json::MakeArray();
    for (const Json& item : json.as_array()) {
      if (out.as_array().size() >= kMaxItems) break;
      out.Append(Bounded(item));
    }
    return out;
  }
  if (!json.is_object()) return json;
  Json::Object members;
  for (const auto& [key, value] : json.as_object()) members.emplace_back(key, Bounded(value));
  return Json::MakeObject(std::move(members));
}

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

std::string WallsWord(const WallsState& walls) {
  if (!walls.asked) return "not asked for";
  return walls.Missing() ? "not installed: " + walls.why_not : "installed";
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

http::Answer JsonAnswer(int status, const Json& body) {
  return {
      .status = status, .content_type = "application/json", .body = Bounded(body).Dump() + "\n"};
}

}  // namespace

Json StatusJson(const AgentState& state) {
  const std::vector<std::string> degraded = state.Degraded();
  Json holders = Json::MakeObject({{"known", state.holders_known}, {"error", state.holders_error}});
  return Bounded(Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                                   {"kind", "AgentStatus"},
                                   {"version", state.version},
                                   {"started", state.started},
                                   {"nodeName", state.node_name},
                                   {"ready", state.Ready()},
                                   {"degraded", Json::MakeTexts(degraded)},
                                   {"config", ConfigJson(state.config)},
                                   {"driver", DriverJson(state.driver)},
                                   {"gpus", Each(state.gpus, GpuJson)},
                                   {"missingParts", Json::MakeTexts(state.missing_parts)},
                                   {"resources", Each(state.resources, ResourceJson)},
                                   {"walls", WallsWord(state.walls)},
                                   {"holders", std::move(holders)},
                                   {"kubernetes", KubernetesJson(state.kubernetes)},
                                   {"predecessor", state.predecessor},
                                   {"warnings", Json::MakeTexts(state.warnings)},
                                   {"events", Each(state.events, EventJson)}}));
}

http::Answer Livez(const AgentState& state) {
  return JsonAnswer(200, Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                                           {"live", true},
                                           {"ready", state.Ready()},
                                           {"reasons", Json::MakeTexts(state.Degraded())}}));
}

http::Answer Readyz(const AgentState& state) {
  const bool ready = state.Ready();
  return JsonAnswer(ready ? 200 : 503,
                    Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                                      {"ready", ready},
                                      {"reasons", Json::MakeTexts(state.Degraded())}}));
}

http::Answer StatusAnswer(const AgentState& state) {
  return {.content_type = "application/json", .body = StatusJson(state).Dump() + "\n"};
}

}  // namespace tranche::agent::status
