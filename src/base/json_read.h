// Reading JSON that comes from outside, where any part may be missing or of another kind.
//
// Each function takes a path, which is one key or several: TextAt(node, {"metadata", "name"}). What
// is not there, and what is of another kind, reads as empty. Nothing is copied: references and
// pointers stay valid as long as `json` does, so do not keep one of a temporary.
//
// Threading: plain functions, safe on any thread.
// Errors: none; a function that returns a pointer or an optional distinguishes "missing" from
// "empty".
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tranche::base {

// For parameters only: it refers to its keys.
class JsonPath {
 public:
  template <std::convertible_to<std::string_view> Key>
  JsonPath(const Key& key) : key_(key), keys_(&key_, 1) {}  // NOLINT(google-explicit-constructor)
  JsonPath(std::initializer_list<std::string_view> keys)    // NOLINT(google-explicit-constructor)
      : keys_(keys.begin(), keys.size()) {}
  JsonPath(const JsonPath&) = delete;
  JsonPath& operator=(const JsonPath&) = delete;

  [[nodiscard]] std::span<const std::string_view> keys() const { return keys_; }

 private:
  std::string_view key_;
  std::span<const std::string_view> keys_;
};

// The value at the path: nullptr, or a null value, where there is none.
[[nodiscard]] const Json* FindAt(const Json& json, const JsonPath& path);
[[nodiscard]] const Json& ValueAt(const Json& json, const JsonPath& path);

[[nodiscard]] const std::string* FindText(const Json& json, const JsonPath& path);
[[nodiscard]] const std::string& TextAt(const Json& json, const JsonPath& path);
[[nodiscard]] bool BoolAt(const Json& json, const JsonPath& path);
[[nodiscard]] std::optional<std::int64_t> IntAt(const Json& json, const JsonPath& path);
[[nodiscard]] std::optional<double> NumberAt(const Json& json, const JsonPath& path);  // or integer
[[nodiscard]] const Json::Array& ItemsAt(const Json& json, const JsonPath& path);
[[nodiscard]] const Json::Object& MembersAt(const Json& json, const JsonPath& path);
// The strings of an array, copied; its other items are left out.
[[nodiscard]] std::vector<std::string> TextsAt(const Json& json, const JsonPath& path);

// TextAt for a terminal, a log or a message: no control bytes, and cut at `max_bytes`.
[[nodiscard]] std::string PrintableAt(const Json& json, const JsonPath& path,
                                      std::size_t max_bytes = 400);

}  // namespace tranche::base
