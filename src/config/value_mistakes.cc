#include "config/value_mistakes.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/decode_sharing.h"
#include "config/decoder.h"
#include "config/resource_name.h"
#include "config/units.h"
#include "config/yaml/explain.h"
#include "config/yaml/scalar.h"

namespace tranche::config {
namespace {

using yaml::CompactJson;
using yaml::IsTemplate;
using yaml::kFillTemplate;

constexpr std::size_t kMaxShown = 64;

std::string WriteOneOf(const std::string& text, const Key& key) {
  const std::vector<std::string> words(key.words.begin(), key.words.end());
  const std::string near = NearestName(text, words);
  if (!near.empty()) return fmt::format("write {}", near);
  return fmt::format("write one of {}", fmt::join(words, ", "));
}

bool TakesText(KeyKind kind) { return kind == KeyKind::kText; }

}  // namespace

std::string_view KindOf(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kBool:
      return "true or false";
    case Node::Kind::kString:
      return "text";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    default:
      return "a number";
  }
}

std::string Shown(const Node& node) { return CompactJson(node, kMaxShown); }

void ValueMistakes::Look(const Value& value) {
  const Node& node = value.node();
  if (node.is_string() && IsTemplate(node.text) && TakesText(value.key.kind)) {
    // Text is taken whatever it says, and this says nothing yet.
    return found_.CannotBeMeant(
        value.mark(),
        fmt::format("{}: {} is a template that nobody has filled in", value.name(), Shown(node)),
        std::string(kFillTemplate));
  }
  switch (value.key.kind) {
    case KeyKind::kVersion:
      return Version(value);
    case KeyKind::kBool:
      return Bool(value);
    case KeyKind::kText:
      return Text(value);
    case KeyKind::kWord:
      return Word(value);
    case KeyKind::kWords:
      return Words(value);
    case KeyKind::kDuration:
      return Duration(value);
    case KeyKind::kReplicas:
      return Replicas(value);
    case KeyKind::kResource:
    case KeyKind::kRename:
      return ResourceName(value);
    case KeyKind::kDevices:
      return Devices(value);
    case KeyKind::kChannels:
      return Channels(value);
    case KeyKind::kUnsupported:
      if (value.node().is_null()) return;
      return found_.Error(value.entry.key_mark, fmt::format("{} is not supported", value.key.path),
                          "share by time, below sharing.timeSlicing");
    case KeyKind::kMap:
    case KeyKind::kList:
    case KeyKind::kOurs:
      return;
  }
}

void ValueMistakes::WrongKind(const Value& value, std::string_view wanted, std::string instead) {
  const Node& node = value.node();
  if (node.is_string() && IsTemplate(node.text)) {
    return found_.Error(value.mark(),
                        fmt::format("{}: {} is a template that nobody has filled in; {} is wanted",
                                    value.name(), Shown(node), wanted),
                        std::string(kFillTemplate));
  }
  if (node.is_map() || node.is_list()) {
    return found_.Error(value.mark(),
                        fmt::format("{} is {}, {} is wanted", value.name(), KindOf(node), wanted),
                        std::move(instead));
  }
  found_.Error(
      value.mark(),
      fmt::format("{}: {} is {}, {} is wanted", value.name(), Shown(node), KindOf(node), wanted),
      std::move(instead));
}

void ValueMistakes::Version(const Value& value) {
  const Node& node = value.node();
  if (node.is_null() || (node.is_string() && (node.text == "v1" || node.text.empty()))) return;
  if (!node.is_string()) return WrongKind(value, "v1", "write version: v1");
  found_.Error(value.mark(), fmt::format("version: {} is not known", Shown(node)),
               "write version: v1");
}

void ValueMistakes::Bool(const Value& value) {
  const Node& node = value.node();
  if (node.is_null() || node.kind == Node::Kind::kBool) return;
  const auto meant = node.is_string() ? ParseGoBool(node.text) : std::nullopt;
  WrongKind(value, "true or false",
            meant ? fmt::format("write {}: {}", value.name(), *meant)
                  : fmt::format("write {0}: true or {0}: false", value.name()));
}

void ValueMistakes::Text(const Value& value) {
  const Node& node = value.node();
  if (node.is_string() || node.is_null()) return;
  const bool one = !node.is_list() && !node.is_map();
  WrongKind(value, "text",
            one ? fmt::format("write {}: \"{}\"", value.name(), Shown(node)) : std::string());
}

void ValueMistakes::Word(const Value& value) {
  const Node& node = value.node();
  if (node.is_null()) return;
  if (!node.is_string()) {
    return WrongKind(value, "a word", WriteOneOf("", value.key));
  }
  const auto& words = value.key.words;
  if (std::find(words.begin(), words.end(), node.text) != words.end()) return;
  if (value.name() == "deviceDiscoveryStrategy" && (node.text == "tegra" || node.text == "vfio")) {
    return found_.Error(value.mark(),
                        fmt::format("{}: {} is not supported", value.name(), node.text),
                        "write auto or nvml: only GPUs that NVML reports are served");
  }
  if (node.text == "spread") {
    return found_.Error(value.mark(), fmt::format("{}: spread is not known here", value.name()),
                        "write it as allocationPolicy of an entry of tranche.resources");
  }
  found_.Error(value.mark(), fmt::format("{}: {} is not known", value.name(), Shown(node)),
               WriteOneOf(node.text, value.key));
}

void ValueMistakes::Words(const Value& value) {
  const Node& node = value.node();
  if (node.is_null()) return;
  if (node.is_string() && node.text.find(',') != std::string::npos && !IsTemplate(node.text)) {
    std::string list = node.text.substr(0, kMaxShown);
    for (std::size_t at = list.find(','); at != std::string::npos; at = list.find(',', at + 2)) {
      if (at + 1 < list.size() && list[at + 1] != ' ') list.insert(at + 1, " ");
    }
    return found_.Error(value.mark(),
                        fmt::format("{}: {} is one text with a comma; only flags and environment "
                                    "variables are split at commas",
                                    value.name(), Shown(node)),
                        fmt::format("write a list, [{}]", list));
  }
  if (node.is_string()) return Word(value);
  if (!node.is_list())
    return WrongKind(value, "a word or a list of words", WriteOneOf("", value.key));
  for (const Node* item : node.items) {
    if (found_.full()) return;
    const auto& words = value.key.words;
    if (item->is_string() && std::find(words.begin(), words.end(), item->text) != words.end()) {
      continue;
    }
    found_.Error(item->mark, fmt::format("{}: {} is not known", value.name(), Shown(*item)),
                 WriteOneOf(item->is_string() ? item->text : "", value.key));
  }
}

void ValueMistakes::Duration(const Value& value) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const Node& node = value.node();
  if (node.is_null() || (node.is_string() && node.text == "infinite")) return;
  if (node.is_string() && !IsTemplate(node.text)) {
    if (ParseGoDuration(node.text).ok()) return;
    return found_.Error(value.mark(),
                        fmt::format("{}: {} is no duration", value.name(), Shown(node)),
                        fmt::format("write {}: 60s, 5m or infinite", value.name()));
  }
  if (node.kind == Node::Kind::kUnsigned) return;
  if (node.kind == Node::Kind::kInt || node.kind == Node::Kind::kFloat) {
    const double number =
        node.kind == Node::Kind::kInt ? static_cast<double>(node.integer) : node.number;
    if (number >= kSecond) return;
    return found_.Error(
        value.mark(),
        fmt::format("{0}: {1} without a unit means {1} nanoseconds", value.name(), Shown(node)),
        fmt::format("write {}: {}s for seconds", value.name(), number < 1 ? "1" : Shown(node)));
  }
  WrongKind(value, "a duration", fmt::format("write {}: 60s, 5m or infinite", value.name()));
}

void ValueMistakes::Replicas(const Value& value) {
  const Node& node = value.node();
  const auto number = GoInteger(node);
  if (!number && node.is_string()) {
    const bool digits = !node.text.empty() && node.text.size() < kMaxShown &&
                        node.text.find_first_not_of("0123456789") == std::string::npos;
    return WrongKind(value, "a number",
                     fmt::format("write {}: {}", value.name(), digits ? node.text : "4"));
  }
  if (!number && (node.is_map() || node.is_list() || node.kind == Node::Kind::kBool)) {
    return WrongKind(value, "a number", fmt::format("write {}: 4", value.name()));
  }
  if (!number && !node.is_null()) {
    return found_.Error(
        value.mark(),
        fmt::format("{}: {} is no whole number that can be counted to", value.name(), Shown(node)),
        fmt::format("write {}: 4", value.name()));
  }
  if (number.value_or(0) > kMaxReplicas) {
    return found_.Error(value.mark(),
                        fmt::format("{}: {} is more than {}", value.name(), *number, kMaxReplicas),
                        "write how many pods may share one device");
  }
  if (number.value_or(0) >= 1) return;
  found_.Error(value.mark(),
               fmt::format("{}: {}", value.name(), node.is_null() ? "nothing" : Shown(node)),
               "write 1 for not shared, 2 or more for shared");
}

void ValueMistakes::ResourceName(const Value& value) {
  const Node& node = value.node();
  if (!node.is_string() && !node.is_null()) {
    return WrongKind(value, "the name of a resource",
                     fmt::format("write {}: nvidia.com/gpu", value.name()));
  }
  const NameAdvice advice = AdviseOnName(node.text);
  if (!advice.valid) return found_.Error(value.mark(), advice.what, advice.instead);
  if (value.key.kind == KeyKind::kRename) return;
  if (!advice.what.empty()) return found_.CannotBeMeant(value.mark(), advice.what, advice.instead);
  const std::string strategy = mig_strategy_ == nullptr ? "" : mig_strategy_->value->text;
  if (!advice.mig || (strategy != "none" && strategy != "single")) return;
  found_.CannotBeMeant(value.mark(),
                       fmt::format("{} can match nothing while flags.migStrategy is {} (line {})",
                                   node.text, strategy, mig_strategy_->value->mark.line),
                       strategy == "none" ? "write migStrategy: mixed, or leave this entry out"
                                          : "write migStrategy: mixed, or name: nvidia.com/gpu");
}

void ValueMistakes::Devices(const Value& value) {
  const Node& node = value.node();
  const std::string instead = "write all, or a list of indices or UUIDs";
  if (node.is_string() && node.text == "all") return;
  if (const auto count = GoInteger(node); count && *count > 0) return;
  if (!node.is_list()) {
    return found_.Error(value.mark(),
                        fmt::format("{}: {} is no choice of devices", value.name(), Shown(node)),
                        instead);
  }
  for (const Node* item : node.items) {
    if (found_.full()) return;
    const auto index = GoInteger(*item);
    if (item->is_null() || item->kind == Node::Kind::kUnsigned || (index && *index >= 0)) continue;
    if (item->is_string() && IsDeviceRef(item->text)) continue;
    found_.Error(item->mark, fmt::format("{}: {} is no device", value.name(), Shown(*item)),
                 instead);
  }
}

void ValueMistakes::Channels(const Value& value) {
  const Node& node = value.node();
  const auto none_or_first = [](const Node* item) { return GoInteger(*item).value_or(-1) == 0; };
  if (node.is_null() || (node.is_list() && node.items.size() <= 1 &&
                         std::all_of(node.items.begin(), node.items.end(), none_or_first))) {
    return;
  }
  found_.Error(value.mark(), fmt::format("{}: {} is not supported", value.name(), Shown(node)),
               fmt::format("write {0}: [] or {0}: [0]", value.name()));
}

}  // namespace tranche::config
