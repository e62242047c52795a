#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/resource_name.h"

namespace tranche::config {
namespace {

constexpr std::size_t kMaxShown = 64;

const std::vector<Key>& Table() {
  static const std::vector<Key> keys{
      {"version", KeyKind::kVersion},
      {"flags", KeyKind::kMap},
      {"flags.migStrategy", KeyKind::kWord, {"none", "single", "mixed"}},
      {"flags.failOnInitError", KeyKind::kBool},
      {"flags.mpsRoot", KeyKind::kText},
      {"flags.nvidiaDriverRoot", KeyKind::kText},
      {"flags.nvidiaDevRoot", KeyKind::kText},
      {"flags.gdrcopyEnabled", KeyKind::kBool},
      {"flags.gdsEnabled", KeyKind::kBool},
      {"flags.mofedEnabled", KeyKind::kBool},
      {"flags.useNodeFeatureAPI", KeyKind::kBool},
      {"flags.deviceDiscoveryStrategy", KeyKind::kWord, {"auto", "nvml"}},
      {"flags.plugin", KeyKind::kMap},
      {"flags.plugin.passDeviceSpecs", KeyKind::kBool},
      {"flags.plugin.deviceListStrategy",
       KeyKind::kWords,
       {"envvar", "volume-mounts", "cdi-annotations", "cdi-cri"}},
      {"flags.plugin.deviceIDStrategy", KeyKind::kWord, {"uuid", "index"}},
      {"flags.plugin.cdiAnnotationPrefix", KeyKind::kText},
      {"flags.plugin.nvidiaCTKPath", KeyKind::kText},
      {"flags.plugin.containerDriverRoot", KeyKind::kText},
      {"flags.plugin.sharedDevicesAllocationPolicy", KeyKind::kWord, {"distributed", "packed"}},
      {"flags.gfd", KeyKind::kMap},
      {"flags.gfd.oneshot", KeyKind::kBool},
      {"flags.gfd.noTimestamp", KeyKind::kBool},
      {"flags.gfd.sleepInterval", KeyKind::kDuration},
      {"flags.gfd.outputFile", KeyKind::kText},
      {"flags.gfd.machineTypeFile", KeyKind::kText},
      {"resources", KeyKind::kMap},
      {"resources.gpus", KeyKind::kList},
      {"resources.gpus[].pattern", KeyKind::kText},
      {"resources.gpus[].name", KeyKind::kRename},
      {"resources.mig", KeyKind::kList},
      {"resources.mig[].pattern", KeyKind::kText},
      {"resources.mig[].name", KeyKind::kRename},
      {"sharing", KeyKind::kMap},
      {"sharing.timeSlicing", KeyKind::kMap},
      {"sharing.timeSlicing.renameByDefault", KeyKind::kBool},
      {"sharing.timeSlicing.failRequestsGreaterThanOne", KeyKind::kBool},
      {"sharing.timeSlicing.resources", KeyKind::kList},
      {"sharing.timeSlicing.resources[].name", KeyKind::kResource},
      {"sharing.timeSlicing.resources[].replicas", KeyKind::kReplicas},
      {"sharing.timeSlicing.resources[].rename", KeyKind::kRename},
      {"sharing.timeSlicing.resources[].devices", KeyKind::kDevices},
      {"sharing.mps", KeyKind::kUnsupported},
      {"imex", KeyKind::kMap},
      {"imex.channelIDs", KeyKind::kChannels},
      {"imex.required", KeyKind::kBool},
      {"tranche", KeyKind::kOurs},
      {"tranche.resources", KeyKind::kOurs},
      {"tranche.resources[].name", KeyKind::kOurs},
      {"tranche.resources[].devices", KeyKind::kOurs},
      {"tranche.resources[].rename", KeyKind::kOurs},
      {"tranche.resources[].replicasPerDevice", KeyKind::kOurs},
      {"tranche.resources[].allocationPolicy", KeyKind::kOurs},
      {"tranche.resources[].drainBeforeExclusive", KeyKind::kOurs},
      {"tranche.resources[].memory", KeyKind::kOurs},
      {"tranche.resources[].memory.mode", KeyKind::kOurs},
      {"tranche.resources[].memory.limit", KeyKind::kOurs},
      {"tranche.resources[].memory.max", KeyKind::kOurs},
      {"tranche.resources[].memory.reserve", KeyKind::kOurs},
      {"tranche.resources[].memory.arbiterAway", KeyKind::kOurs},
      {"tranche.health", KeyKind::kOurs},
      {"tranche.health.recovery", KeyKind::kOurs},
      {"tranche.health.quietPeriod", KeyKind::kOurs},
      {"tranche.memory", KeyKind::kOurs},
      {"tranche.memory.mode", KeyKind::kOurs},
      {"tranche.memory.limit", KeyKind::kOurs},
      {"tranche.memory.max", KeyKind::kOurs},
      {"tranche.memory.reserve", KeyKind::kOurs},
      {"tranche.memory.arbiterAway", KeyKind::kOurs},
      {"tranche.time", KeyKind::kOurs},
      {"tranche.time.mode", KeyKind::kOurs},
      {"tranche.time.weight", KeyKind::kOurs},
      {"tranche.time.maxWeight", KeyKind::kOurs},
      {"tranche.time.min", KeyKind::kOurs},
      {"tranche.time.max", KeyKind::kOurs},
      {"tranche.time.class", KeyKind::kOurs},
      {"tranche.time.classes", KeyKind::kOurs},
  };
  return keys;
}

std::string_view ParentOf(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::string_view NameOf(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Two letters beyond ASCII are the same as one of it but for their case, to Go as to Unicode: the
// long s and the sign of Kelvin.
std::string Folded(std::string_view text) {
  constexpr std::string_view kLongS = "\xC5\xBF";
  constexpr std::string_view kKelvin = "\xE2\x84\xAA";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view special = text.starts_with(kLongS)    ? kLongS
                                     : text.starts_with(kKelvin) ? kKelvin
                                                                 : "";
    out += special.empty() ? Lower(text.front()) : special == kLongS ? 's' : 'k';
    text.remove_prefix(std::max<std::size_t>(special.size(), 1));
  }
  return out;
}

// What upstream decodes by itself, and what is ours.
bool MatchesExactly(std::string_view path) {
  return path.starts_with("sharing.timeSlicing") || path.starts_with("tranche") ||
         path.ends_with("[]");
}

// Where a key of this name belongs: below `path` if there is one, else the first of the table.
const Key* HomeOf(std::string_view name, std::string_view path) {
  const Key* home = nullptr;
  for (const Key& key : Table()) {
    if (!SameWithoutCase(NameOf(key.path), name) || ParentOf(key.path) == path) continue;
    const bool below = path.empty() || key.path.starts_with(fmt::format("{}.", path));
    if (home == nullptr || below) home = &key;
    if (below) break;
  }
  return home;
}

// Keys of other programs' configs, which people put beside ours.
struct Stranger {
  std::string_view key;
  std::string_view what;
  std::string_view instead;
};
constexpr std::array<Stranger, 2> kStrangers{
    {{"mig-configs", "'mig-configs' is a config of mig-parted (the MIG manager)",
      "put it into a ConfigMap of its own, and name that to the MIG manager"},
     {"vgpu-configs", "'vgpu-configs' is a config of the vGPU device manager",
      "put it into a ConfigMap of its own, and name that to the vGPU device manager"}}};

}  // namespace

bool SameWithoutCase(std::string_view a, std::string_view b) { return Folded(a) == Folded(b); }

std::span<const Key> Keys() { return Table(); }

const Key* FindKey(std::string_view path, std::string_view name) {
  const Key* found = nullptr;
  for (const Key& key : Table()) {
    if (ParentOf(key.path) != path) continue;
    if (NameOf(key.path) == name) return &key;
    if (!MatchesExactly(path) && found == nullptr && SameWithoutCase(NameOf(key.path), name)) {
      found = &key;
    }
  }
  return found;
}

std::vector<std::string> KeysOf(std::string_view path) {
  std::vector<std::string> out;
  for (const Key& key : Table()) {
    if (ParentOf(key.path) == path) out.emplace_back(NameOf(key.path));
  }
  return out;
}

Diagnostic UnknownKey(const Node::Entry& entry, std::string_view path) {
  Diagnostic out;
  out.line = entry.key_mark.line;
  out.column = entry.key_mark.column;
  out.severity = Severity::kCannotBeMeant;
  for (const Stranger& one : kStrangers) {
    if (one.key != entry.key) continue;
    out.message = one.what;
    out.instead = one.instead;
    return out;
  }
  out.message = fmt::format("unknown key '{}'", entry.key.substr(0, kMaxShown));
  out.message += path.empty() ? " at the top level" : fmt::format(" in {}", path);
  const std::vector<std::string> known = KeysOf(path);
  if (const std::string near = NearestName(entry.key, known); !near.empty()) {
    out.instead = fmt::format("did you mean '{}'?", near);
  } else if (const Key* home = HomeOf(entry.key, path); home != nullptr) {
    out.instead = fmt::format("it belongs at {}", home->path);
  } else {
    out.instead = fmt::format("known here: {}", fmt::join(known, ", "));
  }
  return out;
}

}  // namespace tranche::config
