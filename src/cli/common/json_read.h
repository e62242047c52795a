// Reading JSON from outside, where anything may be missing or of another kind: it then reads as
// empty. Plain functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/log.h"

namespace tranche::cli::common::json {

inline const base::Json& Member(const base::Json& json, std::string_view key) {
  static const base::Json none;
  const base::Json* value = json.Find(key);
  return value != nullptr ? *value : none;
}

inline const base::Json& At(const base::Json& json, std::initializer_list<std::string_view> keys) {
  const base::Json* at = &json;
  for (const std::string_view key : keys) at = &Member(*at, key);
  return *at;
}

inline std::string Text(const base::Json& json, std::string_view key) {
  const base::Json& value = Member(json, key);
  return value.is_string() ? value.as_string() : std::string();
}

// For a terminal: no control bytes, no more than a line or two.
inline std::string Shown(const base::Json& json, std::string_view key) {
  return base::Printable(Text(json, key), 400);
}

inline bool Flag(const base::Json& json, std::string_view key) {
  const base::Json& value = Member(json, key);
  return value.is_bool() && value.as_bool();
}

inline std::optional<std::int64_t> Int(const base::Json& json, std::string_view key) {
  const base::Json& value = Member(json, key);
  if (!value.is_int()) return std::nullopt;
  return value.as_int();
}

inline const base::Json::Array& Items(const base::Json& json, std::string_view key) {
  static const base::Json::Array none;
  const base::Json& value = Member(json, key);
  return value.is_array() ? value.as_array() : none;
}

inline const base::Json::Object& Members(const base::Json& json, std::string_view key) {
  static const base::Json::Object none;
  const base::Json& value = Member(json, key);
  return value.is_object() ? value.as_object() : none;
}

inline std::vector<std::string> Lines(const base::Json& json, std::string_view key) {
  std::vector<std::string> lines;
  for (const base::Json& item : Items(json, key)) {
    if (item.is_string()) lines.push_back(item.as_string());
  }
  return lines;
}

}  // namespace tranche::cli::common::json
