#include "cdi/edits.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "cdi/version.h"

namespace tranche::cdi {
namespace {

using base::Json;

template <class T>
void Extend(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Lists are short (a driver has some 60 libraries), so looking through them is cheapest.
template <class T>
void RemoveDoubles(std::vector<T>& items) {
  std::vector<T> kept;
  for (T& item : items) {
    if (std::find(kept.begin(), kept.end(), item) == kept.end()) kept.push_back(std::move(item));
  }
  items = std::move(kept);
}

template <class T>
void RemoveThoseIn(std::vector<T>& items, const std::vector<T>& others) {
  std::erase_if(items, [&others](const T& item) {
    return std::find(others.begin(), others.end(), item) != others.end();
  });
}

void RemoveDoubles(Edits& edits) {
  RemoveDoubles(edits.env);
  RemoveDoubles(edits.device_nodes);
  RemoveDoubles(edits.hooks);
  RemoveDoubles(edits.mounts);
}

Edits Without(Edits edits, const Edits& common) {
  RemoveThoseIn(edits.env, common.env);
  RemoveThoseIn(edits.device_nodes, common.device_nodes);
  RemoveThoseIn(edits.hooks, common.hooks);
  RemoveThoseIn(edits.mounts, common.mounts);
  return edits;
}

bool ShallowerPath(const std::string& a, const std::string& b) {
  const auto depth_a = std::count(a.begin(), a.end(), '/');
  const auto depth_b = std::count(b.begin(), b.end(), '/');
  return depth_a == depth_b ? a < b : depth_a < depth_b;
}

void Sort(Edits& edits) {
  std::stable_sort(
      edits.device_nodes.begin(), edits.device_nodes.end(),
      [](const DeviceNode& a, const DeviceNode& b) { return ShallowerPath(a.path, b.path); });
  std::stable_sort(edits.mounts.begin(), edits.mounts.end(), [](const Mount& a, const Mount& b) {
    return ShallowerPath(a.container_path, b.container_path);
  });
}

std::string Moved(const std::string& path, const std::string& from, const std::string& to) {
  std::string_view rest = path;
  if (from != "/") {
    if (!rest.starts_with(from)) return path;
    rest.remove_prefix(from.size());
    if (!rest.empty() && !rest.starts_with('/')) return path;
  }
  return rest.empty() ? to : base::JoinPath(to, rest);
}

void MoveHostPaths(Edits& edits, const std::string& from, const std::string& to) {
  for (DeviceNode& node : edits.device_nodes) {
    node.host_path = Moved(node.host_path.empty() ? node.path : node.host_path, from, to);
  }
  for (Hook& hook : edits.hooks) hook.path = Moved(hook.path, from, to);
  for (Mount& mount : edits.mounts) mount.host_path = Moved(mount.host_path, from, to);
}

Json ToJson(const DeviceNode& node) {
  Json json = Json::MakeObject();
  json.Set("path", node.path);
  if (!node.host_path.empty()) json.Set("hostPath", node.host_path);
  if (node.major != 0) json.Set("major", node.major);
  if (node.minor != 0) json.Set("minor", node.minor);
  if (node.file_mode != 0) json.Set("fileMode", node.file_mode);
  if (!node.permissions.empty()) json.Set("permissions", node.permissions);
  if (node.gid != 0) json.Set("gid", node.gid);
  return json;
}

Json ToJson(const Hook& hook) {
  Json json = Json::MakeObject();
  json.Set("hookName", "createContainer");
  json.Set("path", hook.path);
  if (!hook.args.empty()) json.Set("args", Json::MakeTexts(hook.args));
  if (!hook.env.empty()) json.Set("env", Json::MakeTexts(hook.env));
  return json;
}

Json ToJson(const Mount& mount) {
  Json json = Json::MakeObject();
  json.Set("hostPath", mount.host_path);
  json.Set("containerPath", mount.container_path);
  if (!mount.options.empty()) json.Set("options", Json::MakeTexts(mount.options));
  return json;
}

template <class T>
void SetList(Json& object, std::string_view key, const std::vector<T>& items) {
  if (items.empty()) return;
  Json array = Json::MakeArray();
  for (const T& item : items) array.Append(ToJson(item));
  object.Set(key, std::move(array));
}

Json ToJson(const Edits& edits) {
  Json json = Json::MakeObject();
  if (!edits.env.empty()) json.Set("env", Json::MakeTexts(edits.env));
  SetList(json, "deviceNodes", edits.device_nodes);
  SetList(json, "hooks", edits.hooks);
  SetList(json, "mounts", edits.mounts);
  return json;
}

}  // namespace

void Append(Edits& edits, const Edits& more) {
  Extend(edits.env, more.env);
  Extend(edits.device_nodes, more.device_nodes);
  Extend(edits.hooks, more.hooks);
  Extend(edits.mounts, more.mounts);
}

void Simplify(Spec& spec) {
  RemoveDoubles(spec.common);
  Sort(spec.common);
  for (Device& device : spec.devices) {
    RemoveDoubles(device.edits);
    Edits own = Without(device.edits, spec.common);
    if (!own.empty()) device.edits = std::move(own);
    Sort(device.edits);
  }
  std::stable_sort(spec.devices.begin(), spec.devices.end(),
                   [](const Device& a, const Device& b) { return a.name < b.name; });
}

void MoveHostPaths(Spec& spec, const std::string& from, const std::string& to) {
  if (from == to) return;
  for (Device& device : spec.devices) MoveHostPaths(device.edits, from, to);
  MoveHostPaths(spec.common, from, to);
}

Json ToJson(const Spec& spec) {
  Json devices = Json::MakeArray();
  for (const Device& device : spec.devices) {
    Json json = Json::MakeObject();
    json.Set("name", device.name);
    json.Set("containerEdits", ToJson(device.edits));
    devices.Append(std::move(json));
  }
  Json json = Json::MakeObject();
  json.Set("cdiVersion", "");
  json.Set("kind", spec.kind);
  json.Set("devices", std::move(devices));
  json.Set("containerEdits", ToJson(spec.common));
  json.Set("cdiVersion", MinimumCdiVersion(json));
  return json;
}

}  // namespace tranche::cdi
