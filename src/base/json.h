// Json is a JSON value: null, bool, integer, number, string, array, or object (keys in insertion
// order).
//
// It is used for status files, machine-readable output and the CDI spec.
//
// Threading: a plain value; one thread at a time.
// Errors: Parse bounds the depth (64), returns a Status, and never throws. An accessor of the wrong
// kind crashes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace tranche::base {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;                                      // null
  Json(std::nullptr_t) {}                                // NOLINT(google-explicit-constructor)
  Json(bool value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  Json(int value) : value_(std::int64_t{value}) {}       // NOLINT(google-explicit-constructor)
  Json(unsigned value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  Json(std::int64_t value) : value_(value) {}            // NOLINT(google-explicit-constructor)
  // Beyond int64_t it becomes a double, as it does in Parse.
  Json(std::uint64_t value) {  // NOLINT(google-explicit-constructor)
    if (value > static_cast<std::uint64_t>(INT64_MAX)) {
      value_ = static_cast<double>(value);
    } else {
      value_ = static_cast<std::int64_t>(value);
    }
  }
  Json(double value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  Json(const char* value) : value_(std::string(value)) {}  // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}  // NOLINT
  Json(std::string value) : value_(std::move(value)) {}         // NOLINT

  static Json MakeArray(Array items = {}) {
    Json j;
    j.value_ = std::move(items);
    return j;
  }
  static Json MakeObject(Object members = {}) {
    Json j;
    j.value_ = std::move(members);
    return j;
  }

  static Json MakeTexts(const std::vector<std::string>& texts);  // an array of strings

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(value_); }
  [[nodiscard]] bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  [[nodiscard]] bool is_double() const { return std::holds_alternative<double>(value_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(value_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(value_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(value_); }

  // The wrong kind is a broken invariant and crashes: ask is_* first where input is from outside.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] std::int64_t as_int() const;
  [[nodiscard]] double as_double() const;  // an integer counts
  [[nodiscard]] const std::string& as_string() const;
  [[nodiscard]] const Array& as_array() const;
  [[nodiscard]] const Object& as_object() const;

  // Object access. Set replaces or appends; Find gives nullptr where the key is absent or this is
  // not an object.
  Json& Set(std::string_view key, Json value);
  [[nodiscard]] const Json* Find(std::string_view key) const;
  void Append(Json value);  // array

  // indent 0 is one line.
  [[nodiscard]] std::string Dump(int indent = 0) const;
  static Result<Json> Parse(std::string_view text);

  // Objects compare without regard to member order.
  friend bool operator==(const Json& a, const Json& b);

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

}  // namespace tranche::base
