#include "base/json_read.h"

#include "base/log.h"

namespace tranche::base {

const Json* FindAt(const Json& json, const JsonPath& path) {
  const Json* at = &json;
  for (const std::string_view key : path.keys()) {
    at = at->Find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

const Json& ValueAt(const Json& json, const JsonPath& path) {
  static const Json none;
  const Json* value = FindAt(json, path);
  return value != nullptr ? *value : none;
}

const std::string* FindText(const Json& json, const JsonPath& path) {
  const Json& value = ValueAt(json, path);
  return value.is_string() ? &value.as_string() : nullptr;
}

const std::string& TextAt(const Json& json, const JsonPath& path) {
  static const std::string none;
  const std::string* text = FindText(json, path);
  return text != nullptr ? *text : none;
}

bool BoolAt(const Json& json, const JsonPath& path) {
  const Json& value = ValueAt(json, path);
  return value.is_bool() && value.as_bool();
}

std::optional<std::int64_t> IntAt(const Json& json, const JsonPath& path) {
  const Json& value = ValueAt(json, path);
  if (!value.is_int()) return std::nullopt;
  return value.as_int();
}

std::optional<double> NumberAt(const Json& json, const JsonPath& path) {
  const Json& value = ValueAt(json, path);
  if (!value.is_int() && !value.is_double()) return std::nullopt;
  return value.as_double();
}

const Json::Array& ItemsAt(const Json& json, const JsonPath& path) {
  static const Json::Array none;
  const Json& value = ValueAt(json, path);
  return value.is_array() ? value.as_array() : none;
}

const Json::Object& MembersAt(const Json& json, const JsonPath& path) {
  static const Json::Object none;
  const Json& value = ValueAt(json, path);
  return value.is_object() ? value.as_object() : none;
}

std::vector<std::string> TextsAt(const Json& json, const JsonPath& path) {
  std::vector<std::string> texts;
  for (const Json& item : ItemsAt(json, path)) {
    if (item.is_string()) texts.push_back(item.as_string());
  }
  return texts;
}

std::string PrintableAt(const Json& json, const JsonPath& path, std::size_t max_bytes) {
  return Printable(TextAt(json, path), max_bytes);
}

}  // namespace tranche::base
