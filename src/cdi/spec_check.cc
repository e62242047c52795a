// CheckCdiSpec: a document against the rules of the CDI specification and of its JSON schema
// (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md and schema/), as the
// reference library applies them: unknown fields are refused, as are fields newer than cdiVersion.
// Stricter in two points: paths must be absolute, and everything has an upper size.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "cdi/spec.h"
#include "cdi/version.h"

namespace tranche::cdi {
namespace {

using base::Code;
using base::Json;
using base::Status;

// Well above any real node (16 GPUs of 7 MIG devices, some 100 files).
constexpr std::size_t kMostItems = 4096;
constexpr std::size_t kMostTextBytes = 4096;               // PATH_MAX
constexpr std::size_t kMostAnnotationBytes = 256U << 10U;  // the limit Kubernetes has

Status Invalid(const std::string& where, std::string_view why) {
  return {Code::kInvalidArgument, "CDI spec: " + where + ": " + std::string(why)};
}

using Check = Status (*)(const Json& json, const std::string& where);

struct Field {
  std::string_view name;
  bool required;
  Check check;
};

Status CheckFields(const Json& json, const std::string& where,
                   std::initializer_list<Field> fields) {
  if (!json.is_object()) return Invalid(where, "must be an object");
  std::set<std::string_view> seen;
  for (const auto& [key, value] : json.as_object()) {
    const auto* field = std::find_if(fields.begin(), fields.end(),
                                     [&key = key](const Field& f) { return f.name == key; });
    if (field == fields.end()) return Invalid(where, "unknown field \"" + key + "\"");
    if (!seen.insert(field->name).second) return Invalid(where, "\"" + key + "\" is there twice");
    std::string inner = where;
    inner.append(".").append(key);
    TRANCHE_TRY(field->check(value, inner));
  }
  for (const Field& field : fields) {
    if (field.required && !seen.contains(field.name)) {
      return Invalid(where, "\"" + std::string(field.name) + "\" is missing");
    }
  }
  return Status::Ok();
}

Status CheckItems(const Json& json, const std::string& where, Check check) {
  if (!json.is_array()) return Invalid(where, "must be a list");
  if (json.as_array().size() > kMostItems) return Invalid(where, "has too many items");
  std::size_t index = 0;
  for (const Json& item : json.as_array()) {
    TRANCHE_TRY(check(item, where + "[" + std::to_string(index++) + "]"));
  }
  return Status::Ok();
}

Status CheckText(const Json& json, const std::string& where) {
  if (!json.is_string()) return Invalid(where, "must be a string");
  if (json.as_string().size() > kMostTextBytes) return Invalid(where, "is too long");
  if (json.as_string().find('\0') != std::string::npos) return Invalid(where, "has a zero byte");
  return Status::Ok();
}

Status CheckTexts(const Json& json, const std::string& where) {
  return CheckItems(json, where, CheckText);
}

Status CheckPath(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  if (!json.as_string().starts_with('/')) return Invalid(where, "must be an absolute path");
  return Status::Ok();
}

Status CheckBool(const Json& json, const std::string& where) {
  return json.is_bool() ? Status::Ok() : Invalid(where, "must be true or false");
}

Status CheckInteger(const Json& json, const std::string& where) {
  return json.is_int() ? Status::Ok() : Invalid(where, "must be an integer");
}

// Ids, modes and seconds; Go reads them into 32 bits.
Status CheckUnsigned32(const Json& json, const std::string& where) {
  if (!json.is_int() || json.as_int() < 0 || json.as_int() > UINT32_MAX) {
    return Invalid(where, "must be an integer of 0 to 4294967295");
  }
  return Status::Ok();
}

// ---- names ----

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAlphanumeric(char c) { return IsLetter(c) || (c >= '0' && c <= '9'); }

bool IsName(std::string_view name, std::string_view punctuation) {
  return !name.empty() && IsAlphanumeric(name.front()) && IsAlphanumeric(name.back()) &&
         std::all_of(name.begin(), name.end(), [punctuation](char c) {
           return IsAlphanumeric(c) || punctuation.find(c) != std::string_view::npos;
         });
}

Status CheckKind(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  const std::string_view kind = json.as_string();
  const std::size_t slash = kind.find('/');
  if (slash == std::string_view::npos) return Invalid(where, "must be <vendor>/<class>");
  for (const std::string_view part : {kind.substr(0, slash), kind.substr(slash + 1)}) {
    if (!IsName(part, "_-.") || !IsLetter(part.front())) {
      return Invalid(where, "\"" + std::string(part) + "\" is no valid vendor or class");
    }
  }
  return Status::Ok();
}

Status CheckDeviceName(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  if (IsName(json.as_string(), "_-.:")) return Status::Ok();
  return Invalid(where, "\"" + json.as_string() + "\" is no valid device name");
}

Status CheckVersion(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  if (VersionRank(json.as_string())) return Status::Ok();
  return Invalid(where, "\"" + json.as_string() + "\" is no released version");
}

// Kubernetes' qualified name, "prefix.example.com/Name", in which case does not matter.
bool IsAnnotationKey(std::string_view key) {
  constexpr std::size_t kLongestName = 63;
  constexpr std::size_t kLongestPrefix = 253;
  std::string_view name = key;
  if (const std::size_t slash = key.find('/'); slash != std::string_view::npos) {
    std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (prefix.empty() || prefix.size() > kLongestPrefix) return false;
    for (;;) {
      const std::size_t dot = prefix.find('.');
      if (!IsName(prefix.substr(0, dot), "-")) return false;
      if (dot == std::string_view::npos) break;
      prefix.remove_prefix(dot + 1);
    }
  }
  return name.size() <= kLongestName && IsName(name, "-_.");
}

Status CheckAnnotations(const Json& json, const std::string& where) {
  if (!json.is_object()) return Invalid(where, "must be an object");
  std::size_t bytes = 0;
  for (const auto& [key, value] : json.as_object()) {
    if (!IsAnnotationKey(key)) return Invalid(where, "\"" + key + "\" is no valid key");
    if (!value.is_string()) return Invalid(where, "\"" + key + "\" must be a string");
    bytes += key.size() + value.as_string().size();
  }
  if (bytes > kMostAnnotationBytes) return Invalid(where, "is longer than 256 KiB in all");
  return Status::Ok();
}

// ---- edits ----

Status CheckVariable(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  const std::size_t equals = json.as_string().find('=');
  if (equals != std::string::npos && equals > 0) return Status::Ok();
  return Invalid(where, "must be NAME=value");
}

Status CheckEnvironment(const Json& json, const std::string& where) {
  return CheckItems(json, where, CheckVariable);
}

Status CheckNodeType(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  for (const std::string_view type : {"", "b", "c", "u", "p"}) {
    if (json.as_string() == type) return Status::Ok();
  }
  return Invalid(where, "must be b, c, u or p");
}

Status CheckPermissions(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  if (json.as_string().find_first_not_of("rwm") == std::string::npos) return Status::Ok();
  return Invalid(where, "must be of the letters r, w and m");
}

Status CheckNode(const Json& json, const std::string& where) {
  return CheckFields(json, where,
                     {{"path", true, CheckPath},
                      {"hostPath", false, CheckPath},
                      {"type", false, CheckNodeType},
                      {"major", false, CheckInteger},
                      {"minor", false, CheckInteger},
                      {"fileMode", false, CheckUnsigned32},
                      {"permissions", false, CheckPermissions},
                      {"uid", false, CheckUnsigned32},
                      {"gid", false, CheckUnsigned32}});
}

Status CheckHookName(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  for (const std::string_view name : {"prestart", "createRuntime", "createContainer",
                                      "startContainer", "poststart", "poststop"}) {
    if (json.as_string() == name) return Status::Ok();
  }
  return Invalid(where, "\"" + json.as_string() + "\" is no OCI hook");
}

Status CheckHook(const Json& json, const std::string& where) {
  return CheckFields(json, where,
                     {{"hookName", true, CheckHookName},
                      {"path", true, CheckPath},
                      {"args", false, CheckTexts},
                      {"env", false, CheckEnvironment},
                      {"timeout", false, CheckUnsigned32}});
}

Status CheckMount(const Json& json, const std::string& where) {
  return CheckFields(json, where,
                     {{"hostPath", true, CheckPath},
                      {"containerPath", true, CheckPath},
                      {"options", false, CheckTexts},
                      {"type", false, CheckText}});
}

Status CheckInterfaceName(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  return json.as_string().empty() ? Invalid(where, "is empty") : Status::Ok();
}

Status CheckNetDevice(const Json& json, const std::string& where) {
  return CheckFields(
      json, where,
      {{"hostInterfaceName", true, CheckInterfaceName}, {"name", true, CheckInterfaceName}});
}

Status CheckNetDevices(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckItems(json, where, CheckNetDevice));
  for (const std::string_view key : {"hostInterfaceName", "name"}) {
    std::set<std::string> seen;
    for (const Json& device : json.as_array()) {
      if (!seen.insert(device.Find(key)->as_string()).second) {
        return Invalid(where, "\"" + device.Find(key)->as_string() + "\" is there twice");
      }
    }
  }
  return Status::Ok();
}

// A directory of /sys/fs/resctrl, or "/" for its root.
Status CheckClosId(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckText(json, where));
  const std::string& id = json.as_string();
  if (id == "/") return Status::Ok();
  if (id == "." || id == ".." || id.size() >= kMostTextBytes ||
      id.find_first_of("/\n") != std::string::npos) {
    return Invalid(where, "is no file name");
  }
  return Status::Ok();
}

Status CheckRdt(const Json& json, const std::string& where) {
  return CheckFields(json, where,
                     {{"closID", false, CheckClosId},
                      {"l3CacheSchema", false, CheckText},
                      {"memBwSchema", false, CheckText},
                      {"schemata", false, CheckTexts},
                      {"enableMonitoring", false, CheckBool}});
}

Status CheckEdits(const Json& json, const std::string& where) {
  using J = const Json&;
  using W = const std::string&;
  return CheckFields(
      json, where,
      {{"env", false, CheckEnvironment},
       {"deviceNodes", false, [](J j, W w) { return CheckItems(j, w, CheckNode); }},
       {"netDevices", false, CheckNetDevices},
       {"hooks", false, [](J j, W w) { return CheckItems(j, w, CheckHook); }},
       {"mounts", false, [](J j, W w) { return CheckItems(j, w, CheckMount); }},
       {"intelRdt", false, CheckRdt},
       {"additionalGids", false, [](J j, W w) { return CheckItems(j, w, CheckUnsigned32); }}});
}

Status CheckDeviceEdits(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckEdits(json, where));
  const Json::Object& members = json.as_object();
  const bool has_any = std::any_of(members.begin(), members.end(), [](const Json::Member& member) {
    return !member.second.is_array() || !member.second.as_array().empty();
  });
  return has_any ? Status::Ok() : Invalid(where, "does nothing");
}

Status CheckDevice(const Json& json, const std::string& where) {
  return CheckFields(json, where,
                     {{"name", true, CheckDeviceName},
                      {"annotations", false, CheckAnnotations},
                      {"containerEdits", true, CheckDeviceEdits}});
}

Status CheckDevices(const Json& json, const std::string& where) {
  TRANCHE_TRY(CheckItems(json, where, CheckDevice));
  if (json.as_array().empty()) return Invalid(where, "is empty");
  std::set<std::string> names;
  for (const Json& device : json.as_array()) {
    const std::string& name = device.Find("name")->as_string();
    if (!names.insert(name).second) return Invalid(where, "\"" + name + "\" is there twice");
  }
  return Status::Ok();
}

}  // namespace

Status CheckCdiSpec(const Json& spec) {
  TRANCHE_TRY(CheckFields(spec, "spec",
                          {{"cdiVersion", true, CheckVersion},
                           {"kind", true, CheckKind},
                           {"annotations", false, CheckAnnotations},
                           {"devices", true, CheckDevices},
                           {"containerEdits", false, CheckEdits}}));
  const std::string& version = spec.Find("cdiVersion")->as_string();
  const std::string needed = MinimumCdiVersion(spec);
  if (VersionRank(version) < VersionRank(needed)) {
    return Invalid("spec.cdiVersion",
                   version + " does not allow what is used: " + needed + " does");
  }
  return Status::Ok();
}

}  // namespace tranche::cdi
