#include "config/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/resource_name.h"
#include "config/yaml_scalar.h"

namespace tranche::config {
namespace {

constexpr std::size_t kMaxDiagnostics = 100;
constexpr std::size_t kMaxShown = 64;

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

bool SameWithoutCase(std::string_view a, std::string_view b) { return Folded(a) == Folded(b); }

const Decoder::Field* Match(std::string_view key, const std::vector<Decoder::Field>& fields) {
  const Decoder::Field* folded = nullptr;
  for (const Decoder::Field& field : fields) {
    if (field.name == key) return &field;
    if (folded == nullptr && SameWithoutCase(field.name, key)) folded = &field;
  }
  return folded;
}

// Keys that people put one level too high or too low, and where they belong.
struct Home {
  std::string_view key;
  std::string_view path;
};
constexpr std::array<Home, 32> kHomes{{{"renameByDefault", "sharing.timeSlicing"},
                                       {"failRequestsGreaterThanOne", "sharing.timeSlicing"},
                                       {"replicas", "sharing.timeSlicing.resources[]"},
                                       {"timeSlicing", "sharing"},
                                       {"mps", "sharing"},
                                       {"migStrategy", "flags"},
                                       {"failOnInitError", "flags"},
                                       {"mpsRoot", "flags"},
                                       {"nvidiaDriverRoot", "flags"},
                                       {"nvidiaDevRoot", "flags"},
                                       {"gdrcopyEnabled", "flags"},
                                       {"gdsEnabled", "flags"},
                                       {"mofedEnabled", "flags"},
                                       {"useNodeFeatureAPI", "flags"},
                                       {"deviceDiscoveryStrategy", "flags"},
                                       {"plugin", "flags"},
                                       {"gfd", "flags"},
                                       {"passDeviceSpecs", "flags.plugin"},
                                       {"deviceListStrategy", "flags.plugin"},
                                       {"deviceIDStrategy", "flags.plugin"},
                                       {"cdiAnnotationPrefix", "flags.plugin"},
                                       {"nvidiaCTKPath", "flags.plugin"},
                                       {"containerDriverRoot", "flags.plugin"},
                                       {"sharedDevicesAllocationPolicy", "flags.plugin"},
                                       {"sleepInterval", "flags.gfd"},
                                       {"channelIDs", "imex"},
                                       {"sharing", "the top level"},
                                       {"tranche", "the top level"},
                                       {"flags", "the top level"},
                                       {"allocationPolicy", "tranche.resources[]"},
                                       {"drainBeforeExclusive", "tranche.resources[]"},
                                       {"replicasPerDevice", "tranche.resources[]"}}};

}  // namespace

void Decoder::DecodeStruct(const Node& node, const Struct& as, const std::vector<Field>& fields) {
  if (stopped() || node.is_null()) return;
  if (!node.is_map()) {
    TypeError(node, as.go_type);
    return;
  }
  std::vector<const Node::Entry*> sorted;  // Go sees the keys in this order
  sorted.reserve(node.entries.size());
  for (const Node::Entry& entry : node.entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key < b->key; });
  const std::string_view outer = std::exchange(struct_name_, as.go_name);
  std::vector<std::pair<const Field*, const Node::Entry*>> seen;
  for (const Node::Entry* entry : sorted) {
    const Field* field = Match(entry->key, fields);
    if (field == nullptr) {
      std::vector<std::string> known;
      known.reserve(fields.size());
      for (const Field& one : fields) known.emplace_back(one.name);
      Unknown(*entry, as.path, known);
      continue;
    }
    for (const auto& [before, other] : seen) {
      if (before != field) continue;
      Warn(entry->key_mark, fmt::format("keys '{}' and '{}' are the same: '{}' wins", other->key,
                                        entry->key, entry->key));
    }
    seen.emplace_back(field, entry);
    path_.push_back(field->name);
    field->decode(*entry->value);
    path_.pop_back();
    if (stopped()) break;
  }
  struct_name_ = outer;
}

bool Decoder::OpenMap(const Node& node, std::string_view path,
                      const std::vector<std::string>& known) {
  if (!node.is_map() && !node.is_null()) {
    StopWithTypeError(node, "map[string]json.RawMessage");
    return false;
  }
  for (const Node::Entry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      Unknown(entry, path, known);
    }
  }
  return true;
}

void Decoder::Bool(const Node& node, std::optional<bool>& out) {
  if (node.is_null()) {
    out.reset();
  } else if (node.kind == Node::Kind::kBool) {
    out = node.boolean;
  } else {
    TypeError(node, "bool");
  }
}

void Decoder::String(const Node& node, std::optional<std::string>& out) {
  if (node.is_null()) {
    out.reset();
  } else if (node.is_string()) {
    out = node.text;
  } else {
    TypeError(node, "string");
  }
}

std::string Decoder::TypeErrorText(const Node& node, std::string_view go_type) const {
  std::string what;
  switch (node.kind) {
    case Node::Kind::kBool:
      what = "bool";
      break;
    case Node::Kind::kString:
      what = "string";
      break;
    case Node::Kind::kList:
      what = "array";
      break;
    case Node::Kind::kMap:
      what = "object";
      break;
    default:
      what = "number";
      if (go_type == "int") what += " " + CompactJson(node);
  }
  if (struct_name_.empty()) {
    return fmt::format("json: cannot unmarshal {} into Go value of type {}", what, go_type);
  }
  return fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", what,
                     struct_name_, fmt::join(path_, "."), go_type);
}

void Decoder::TypeError(const Node& node, std::string_view go_type) {
  if (first_) return;
  first_ = Failure{base::Code::kInvalidArgument, TypeErrorText(node, go_type), node.mark};
}

void Decoder::StopWithTypeError(const Node& node, std::string_view go_type) {
  Stop(node, TypeErrorText(node, go_type));
}

void Decoder::Stop(const Node& node, std::string message) {
  if (stop_) return;
  stop_ = Failure{base::Code::kInvalidArgument, std::move(message), node.mark};
}

void Decoder::Warn(Mark mark, std::string message) {
  if (diagnostics_.size() >= kMaxDiagnostics) return;
  diagnostics_.push_back({Severity::kWarning, std::move(message), mark.line, mark.column, false});
}

void Decoder::Unknown(const Node::Entry& entry, std::string_view path,
                      const std::vector<std::string>& known) {
  if (diagnostics_.size() >= kMaxDiagnostics) return;
  std::string message = fmt::format("unknown key '{}'", entry.key.substr(0, kMaxShown));
  if (!path.empty()) message += fmt::format(" in {}", path);
  const auto home = std::find_if(kHomes.begin(), kHomes.end(), [&](const Home& one) {
    return SameWithoutCase(one.key, entry.key) && one.path != path;
  });
  if (const std::string near = NearestName(entry.key, known); !near.empty()) {
    message += fmt::format(" (did you mean '{}'?)", near);
  } else if (home != kHomes.end()) {
    message += fmt::format(" (it belongs in {})", home->path);
  } else {
    message += fmt::format(" (known here: {})", fmt::join(known, ", "));
  }
  diagnostics_.push_back(
      {Severity::kWarning, std::move(message), entry.key_mark.line, entry.key_mark.column, true});
}

std::optional<std::int64_t> GoInteger(const Node& node) {
  if (node.kind == Node::Kind::kInt) return node.integer;
  if (node.kind != Node::Kind::kFloat) return std::nullopt;
  const std::string text = GoFloatText(node.number);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace tranche::config
