#include "sim/kubelet/kubelet_json.h"

#include <algorithm>
#include <utility>

#include "base/json_read.h"

namespace tranche::sim {
namespace {

using base::Json;

base::Status Wrong(const std::string& what) {
  return {base::Code::kInvalidArgument, "pod: " + what};
}

Json MapJson(const std::map<std::string, std::string>& map) {
  Json object = Json::MakeObject();
  for (const auto& [key, value] : map) object.Set(key, value);
  return object;
}

base::Status ReadStrings(const Json& json, std::string_view key, std::vector<std::string>& to) {
  const Json* found = json.Find(key);
  if (found == nullptr) return base::Status::Ok();
  if (!found->is_array()) return Wrong(std::string(key) + " is not a list");
  for (const Json& item : found->as_array()) {
    if (!item.is_string()) return Wrong(std::string(key) + " holds something other than strings");
    to.push_back(item.as_string());
  }
  return base::Status::Ok();
}

// A DNS label, as Kubernetes wants a pod's name to be; it also names a folder.
bool IsPodName(const std::string& name) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && good(name.front()) && good(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return good(c) || c == '-'; });
}

Json MountsToJson(const kubelet::ContainerAnswer& answer) {
  Json mounts = Json::MakeArray();
  for (const kubelet::Mount& mount : answer.mounts) {
    Json json = Json::MakeObject();
    json.Set("containerPath", mount.container_path);
    json.Set("hostPath", mount.host_path);
    json.Set("readOnly", mount.read_only);
    mounts.Append(std::move(json));
  }
  return mounts;
}

Json DeviceSpecsToJson(const kubelet::ContainerAnswer& answer) {
  Json devices = Json::MakeArray();
  for (const kubelet::DeviceSpec& device : answer.devices) {
    Json json = Json::MakeObject();
    json.Set("containerPath", device.container_path);
    json.Set("hostPath", device.host_path);
    json.Set("permissions", device.permissions);
    devices.Append(std::move(json));
  }
  return devices;
}

}  // namespace

const char* NameOf(PodPhase phase) {
  switch (phase) {
    case PodPhase::kPending:
      return "Pending";
    case PodPhase::kRunning:
      return "Running";
    case PodPhase::kSucceeded:
      return "Succeeded";
    case PodPhase::kFailed:
      return "Failed";
  }
  return "Unknown";
}

Json Pod::ToJson() const {
  Json ids = Json::MakeObject();
  Json held = Json::MakeArray();
  std::map<std::string, std::vector<std::string>> by_resource;
  for (const AllocatedDevice& device : devices) {
    by_resource[device.resource].push_back(device.id);
    held.Append(device.id);
  }
  for (const auto& [resource, list] : by_resource) ids.Set(resource, Json::MakeTexts(list));
  Json json = sim::ToJson(spec);
  json.Set("uid", uid);
  json.Set("phase", NameOf(phase));
  json.Set("reason", reason);
  json.Set("message", message);
  if (pid != 0) json.Set("pid", pid);
  if (exit_code) json.Set("exitCode", *exit_code);
  json.Set("restarts", restarts);
  json.Set("ids", std::move(held));
  json.Set("idsByResource", std::move(ids));
  json.Set("unhealthyIds", Json::MakeTexts(unhealthy));
  json.Set("given", Json::MakeObject({{"env", MapJson(given.env)},
                                      {"mounts", MountsToJson(given)},
                                      {"devices", DeviceSpecsToJson(given)},
                                      {"annotations", MapJson(given.annotations)},
                                      {"cdi", Json::MakeTexts(given.cdi_devices)}}));
  json.Set("notApplied", Json::MakeTexts(not_applied));
  return json;
}

Json ToJson(const PodSpec& spec) {
  Json requests = Json::MakeObject();
  for (const auto& [resource, count] : spec.requests) requests.Set(resource, count);
  return Json::MakeObject({{"name", spec.name},
                           {"namespace", spec.pod_namespace},
                           {"requests", std::move(requests)},
                           {"command", Json::MakeTexts(spec.command)},
                           {"env", MapJson(spec.env)},
                           {"bound", spec.bound}});
}

base::Result<PodSpec> PodSpecFromJson(const Json& json) {
  PodSpec spec;
  spec.name = base::TextAt(json, "name");
  if (!IsPodName(spec.name)) {
    return Wrong("a name is 1 to 63 lower-case letters, digits and hyphens");
  }
  const std::string* space = base::FindText(json, "namespace");
  spec.pod_namespace = space != nullptr ? *space : "default";
  TRANCHE_TRY(ReadStrings(json, "command", spec.command));
  for (const auto& [resource, count] : base::MembersAt(json, "requests")) {
    if (!count.is_int() || count.as_int() < 0 || count.as_int() > 1'000'000) {
      return Wrong("request for " + resource + " is no count");
    }
    spec.requests[resource] = static_cast<int>(count.as_int());
  }
  for (const auto& [name, value] : base::MembersAt(json, "env")) {
    if (!value.is_string() || name.empty() || name.find('=') != std::string::npos) {
      return Wrong("bad environment variable " + name);
    }
    spec.env[name] = value.as_string();
  }
  spec.bound = base::BoolAt(json, "bound");
  return spec;
}

Json ToJson(const SavedPod& saved) {
  Json json = ToJson(saved.pod.spec);
  json.Set("uid", saved.pod.uid);
  json.Set("phase", NameOf(saved.pod.phase));
  json.Set("reason", saved.pod.reason);
  json.Set("message", saved.pod.message);
  if (saved.pod.exit_code) json.Set("exitCode", *saved.pod.exit_code);
  json.Set("restarts", saved.pod.restarts);
  json.Set("notApplied", Json::MakeTexts(saved.pod.not_applied));
  json.Set("pid", std::int64_t{saved.process.pid});
  json.Set("startTime", saved.process.start_time);
  return json;
}

base::Result<SavedPod> SavedPodFromJson(const Json& json) {
  auto spec = PodSpecFromJson(json);
  if (!spec.ok()) return spec.status();
  SavedPod saved;
  saved.pod.spec = std::move(spec).value();
  saved.pod.uid = base::TextAt(json, "uid");
  if (saved.pod.uid.empty()) return Wrong("no uid");
  const std::string phase = base::TextAt(json, "phase");
  bool known = false;
  for (const PodPhase candidate :
       {PodPhase::kPending, PodPhase::kRunning, PodPhase::kSucceeded, PodPhase::kFailed}) {
    if (phase != NameOf(candidate)) continue;
    saved.pod.phase = candidate;
    known = true;
  }
  if (!known) return Wrong("unknown phase " + phase);
  saved.pod.reason = base::TextAt(json, "reason");
  saved.pod.message = base::TextAt(json, "message");
  if (json.Find("exitCode") != nullptr) {
    saved.pod.exit_code = static_cast<int>(base::IntAt(json, "exitCode").value_or(0));
  }
  saved.pod.restarts = static_cast<int>(base::IntAt(json, "restarts").value_or(0));
  TRANCHE_TRY(ReadStrings(json, "notApplied", saved.pod.not_applied));
  saved.process.pid = static_cast<pid_t>(base::IntAt(json, "pid").value_or(0));
  saved.process.start_time = static_cast<std::uint64_t>(base::IntAt(json, "startTime").value_or(0));
  return saved;
}

}  // namespace tranche::sim
