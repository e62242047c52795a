#include "config/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/schema.h"
#include "config/yaml/scalar.h"

namespace tranche::config {
namespace {

using yaml::CompactJson;
using yaml::GoFloatText;

const Decoder::Field* Match(std::string_view key, const std::vector<Decoder::Field>& fields) {
  const Decoder::Field* folded = nullptr;
  for (const Decoder::Field& field : fields) {
    if (field.name == key) return &field;
    if (folded == nullptr && SameWithoutCase(field.name, key)) folded = &field;
  }
  return folded;
}

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
  for (const Node::Entry* entry : sorted) {
    const Field* field = Match(entry->key, fields);
    if (field == nullptr) continue;
    path_.push_back(field->name);
    field->decode(*entry->value);
    path_.pop_back();
    if (stopped()) break;
  }
  struct_name_ = outer;
}

bool Decoder::OpenMap(const Node& node) {
  if (node.is_map() || node.is_null()) return true;
  StopWithTypeError(node, "map[string]json.RawMessage");
  return false;
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
