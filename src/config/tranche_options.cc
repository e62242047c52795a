#include "config/tranche_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/memory_amount.h"
#include "config/option_reader.h"
#include "config/resource_name.h"
#include "config/schema.h"

namespace tranche::config {
namespace {

// The weight of one pod against another's: a ratio, so the scale is ours to bound.
constexpr std::int64_t kMaxWeight = 10'000;
constexpr auto kModes =
    std::to_array<std::pair<std::string_view, EnforceMode>>({{"off", EnforceMode::kOff},
                                                             {"observe", EnforceMode::kObserve},
                                                             {"enforce", EnforceMode::kEnforce}});
constexpr auto kRecoveries = std::to_array<std::pair<std::string_view, Recovery>>(
    {{"auto", Recovery::kAuto}, {"reset", Recovery::kReset}, {"never", Recovery::kNever}});
constexpr auto kPolicies = std::to_array<std::pair<std::string_view, AllocationPolicy>>(
    {{"distributed", AllocationPolicy::kDistributed},
     {"packed", AllocationPolicy::kPacked},
     {"spread", AllocationPolicy::kSpread}});
constexpr auto kArbiterAway =
    std::to_array<std::pair<std::string_view, bool>>({{"open", true}, {"closed", false}});

std::vector<DeviceRef> ReadDevices(OptionReader& reader, const Node& node) {
  std::vector<DeviceRef> out;
  if (!node.is_list()) {
    reader.Fail(node, "write a list of GPU indices, MIG indices (\"0:1\") or UUIDs");
    return out;
  }
  for (const Node* item : node.items) {
    const int before = reader.errors();
    DeviceRef device{reader.Device(*item)};
    if (reader.errors() > before) continue;
    if (std::find(out.begin(), out.end(), device) != out.end()) {
      reader.Fail(*item, fmt::format("device '{}' is listed twice", device.text));
    }
    out.push_back(std::move(device));
  }
  return out;
}

void ReadCounts(OptionReader& reader, const Node& node, TrancheResource& out) {
  if (!node.is_map()) {
    reader.Fail(node, "write a map of device to number, {GPU-…: 2}");
    return;
  }
  for (const Node::Entry& entry : node.entries) {
    if (!IsOptionDevice(entry.key)) {
      reader.Fail(*entry.value, fmt::format("'{}' is no GPU index, MIG index or UUID", entry.key));
      continue;
    }
    const std::int64_t count = reader.Integer(*entry.value, 1, kMaxReplicas);
    out.replicas_per_device[DeviceRef{entry.key}] = static_cast<int>(count);
  }
}

// The larger of two amounts of one device is known only when both are bytes or both are shares.
bool Above(const MemoryAmount& a, const MemoryAmount& b) {
  if (a.index() != b.index()) return false;
  if (const auto* bytes = std::get_if<Bytes>(&a)) return bytes->bytes > std::get<Bytes>(b).bytes;
  return std::get<Milli>(a).thousandths > std::get<Milli>(b).thousandths;
}

bool IsZero(const MemoryAmount& amount) {
  return amount == MemoryAmount(Bytes{0}) || amount == MemoryAmount(Milli{0});
}

MemoryOptions ReadMemory(OptionReader& reader, const Node& node) {
  const int before = reader.errors();
  MemoryOptions out;
  reader.Map(node, {{"mode", [&](const Node& value) { out.mode = reader.Word(value, kModes); }},
                    {"limit", [&](const Node& value) { out.limit = reader.Memory(value); }},
                    {"max", [&](const Node& value) { out.max = reader.Memory(value); }},
                    {"reserve", [&](const Node& value) { out.reserve = reader.Memory(value); }},
                    {"arbiterAway", [&](const Node& value) {
                       out.arbiter_away_open = reader.Word(value, kArbiterAway);
                     }}});
  if (reader.errors() > before) return out;
  if (out.limit && IsZero(*out.limit)) reader.Fail(node, "limit: nothing fits in 0");
  if (out.max && IsZero(*out.max)) reader.Fail(node, "max: nothing fits in 0");
  if (out.reserve == MemoryAmount(Milli{1000})) reader.Fail(node, "reserve: nothing is left");
  if (out.limit && out.max && Above(*out.limit, *out.max)) {
    reader.Fail(*node.Find("max")->value,
                fmt::format("limit is more than max, {} and {}", AmountText(*out.limit),
                            AmountText(*out.max)),
                "raise max, or lower limit");
  }
  return out;
}

TrancheResource ReadResource(OptionReader& reader, const Node& node) {
  TrancheResource out;
  out.line = node.mark.line;
  reader.Map(node,
             {{"name", [&](const Node& value) { out.name = reader.ResourceName(value); }},
              {"devices",
               [&](const Node& value) {
                 if (value.is_string() && value.text == "all") return;
                 out.devices = ReadDevices(reader, value);
               }},
              {"rename", [&](const Node& value) { out.rename = reader.ResourceName(value); }},
              {"replicasPerDevice", [&](const Node& value) { ReadCounts(reader, value, out); }},
              {"allocationPolicy",
               [&](const Node& value) { out.allocation_policy = reader.Word(value, kPolicies); }},
              {"drainBeforeExclusive",
               [&](const Node& value) { out.drain_before_exclusive = reader.Bool(value); }},
              {"memory", [&](const Node& value) { out.memory = ReadMemory(reader, value); }}});
  if (node.is_map() && node.Find("name") == nullptr)
    reader.Fail(node, "no resource name specified");
  return out;
}

void ReadResources(OptionReader& reader, const Node& node, TrancheOptions& out) {
  if (!node.is_list()) {
    reader.Fail(node, "write a list of resources");
    return;
  }
  std::map<std::string, int> names;
  for (const Node* item : node.items) {
    const int before = reader.errors();
    TrancheResource resource = ReadResource(reader, *item);
    if (reader.errors() > before) continue;
    const auto [first, fresh] = names.emplace(resource.name, resource.line);
    if (!fresh) {
      reader.Fail(*item, fmt::format("resource '{}' is listed twice (first on line {})",
                                     resource.name, first->second));
    }
    out.resources.push_back(std::move(resource));
  }
  names.clear();
  for (const TrancheResource& resource : out.resources) {
    if (resource.rename.empty()) continue;
    if (!names.emplace(resource.rename, 0).second) {
      reader.Fail(node, fmt::format("two resources are renamed to '{}'", resource.rename));
    }
  }
}

void ReadHealth(OptionReader& reader, const Node& node, HealthOptions& out) {
  reader.Map(
      node,
      {{"recovery", [&](const Node& value) { out.recovery = reader.Word(value, kRecoveries); }},
       {"quietPeriod", [&](const Node& value) { out.quiet_period = reader.Period(value); }}});
}

void ReadClasses(OptionReader& reader, const Node& node, TimeOptions& out) {
  constexpr std::size_t kMaxClasses = 16;  // bounds the cardinality of metrics' labels
  if (!node.is_list() || node.items.empty() || node.items.size() > kMaxClasses) {
    reader.Fail(node, fmt::format("write a list of 1 to {} names", kMaxClasses));
    return;
  }
  out.classes.clear();
  for (const Node* item : node.items) {
    const int before = reader.errors();
    std::string name = reader.Name(*item);
    if (reader.errors() > before) continue;
    if (std::find(out.classes.begin(), out.classes.end(), name) != out.classes.end()) {
      reader.Fail(*item, fmt::format("class '{}' is listed twice", name));
    }
    out.classes.push_back(std::move(name));
  }
}

TimeOptions ReadTime(OptionReader& reader, const Node& node) {
  const int before = reader.errors();
  TimeOptions out;
  std::optional<int> max_weight;
  std::optional<std::string> chosen;
  const auto weight = [&](const Node& value) {
    return static_cast<int>(reader.Integer(value, 1, kMaxWeight));
  };
  reader.Map(node, {{"mode", [&](const Node& value) { out.mode = reader.Word(value, kModes); }},
                    {"weight", [&](const Node& value) { out.weight = weight(value); }},
                    {"maxWeight", [&](const Node& value) { max_weight = weight(value); }},
                    {"min", [&](const Node& value) { out.min = reader.Percent(value); }},
                    {"max", [&](const Node& value) { out.max = reader.Percent(value); }},
                    {"class", [&](const Node& value) { chosen = reader.Name(value); }},
                    {"classes", [&](const Node& value) { ReadClasses(reader, value, out); }}});
  if (reader.errors() > before) return out;
  out.max_weight = max_weight.value_or(out.weight);
  // Left out, it is `standard` where there is one and else the first.
  const bool known =
      std::find(out.classes.begin(), out.classes.end(), out.time_class) != out.classes.end();
  out.time_class = chosen.value_or(known ? out.time_class : out.classes.front());
  if (out.weight > out.max_weight) reader.Fail(node, "weight is more than maxWeight");
  if (out.min.thousandths > out.max.thousandths) reader.Fail(node, "min is more than max");
  if (std::find(out.classes.begin(), out.classes.end(), out.time_class) == out.classes.end()) {
    reader.Fail(node, fmt::format("class '{}' is not one of classes ({})", out.time_class,
                                  fmt::join(out.classes, ", ")));
  }
  return out;
}

void WarnUnshared(const TimeSlicing& time_slicing, const TrancheOptions& options,
                  std::vector<Diagnostic>& warnings) {
  std::vector<std::string> shared;
  shared.reserve(time_slicing.resources.size());
  for (const ReplicatedResource& one : time_slicing.resources) shared.push_back(one.name);
  for (const TrancheResource& resource : options.resources) {
    if (std::find(shared.begin(), shared.end(), resource.name) != shared.end()) continue;
    std::string message =
        fmt::format("resource '{}' of tranche.resources is not in sharing.timeSlicing.resources",
                    resource.name);
    std::string instead;
    if (const std::string near = NearestName(resource.name, shared); !near.empty()) {
      instead = fmt::format("did you mean '{}'?", near);
    }
    warnings.push_back(
        {.message = std::move(message), .line = resource.line, .instead = std::move(instead)});
  }
}

}  // namespace

void DecodeTranche(const Node& node, const TimeSlicing* time_slicing, TrancheOptions& out,
                   std::vector<Diagnostic>& findings) {
  OptionReader reader("tranche", findings);
  reader.Map(node, {{"resources", [&](const Node& value) { ReadResources(reader, value, out); }},
                    {"health", [&](const Node& value) { ReadHealth(reader, value, out.health); }},
                    {"memory", [&](const Node& value) { out.memory = ReadMemory(reader, value); }},
                    {"time", [&](const Node& value) { out.time = ReadTime(reader, value); }}});
  if (reader.errors() == 0 && time_slicing != nullptr) WarnUnshared(*time_slicing, out, findings);
}

}  // namespace tranche::config
