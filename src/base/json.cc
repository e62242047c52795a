#include "base/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tranche::base {

namespace {

using Library = nlohmann::ordered_json;

Library ToLibrary(const Json& json) {
  if (json.is_bool()) return json.as_bool();
  if (json.is_int()) return json.as_int();
  if (json.is_double()) return json.as_double();
  if (json.is_string()) return json.as_string();
  if (json.is_array()) {
    Library out = Library::array();
    for (const Json& item : json.as_array()) out.push_back(ToLibrary(item));
    return out;
  }
  if (json.is_object()) {
    Library out = Library::object();
    for (const auto& [key, value] : json.as_object()) out[key] = ToLibrary(value);
    return out;
  }
  return nullptr;
}

Json FromLibrary(const Library& from) {
  switch (from.type()) {
    case Library::value_t::boolean:
      return from.get<bool>();
    case Library::value_t::number_integer:
      return from.get<std::int64_t>();
    case Library::value_t::number_unsigned: {
      const auto value = from.get<std::uint64_t>();
      if (value > static_cast<std::uint64_t>(INT64_MAX)) return static_cast<double>(value);
      return static_cast<std::int64_t>(value);
    }
    case Library::value_t::number_float:
      return from.get<double>();
    case Library::value_t::string:
      return from.get<std::string>();
    case Library::value_t::array: {
      Json out = Json::MakeArray();
      for (const Library& item : from) out.Append(FromLibrary(item));
      return out;
    }
    case Library::value_t::object: {
      Json::Object members;
      for (const auto& [key, value] : from.items()) members.emplace_back(key, FromLibrary(value));
      return Json::MakeObject(std::move(members));
    }
    default:
      return nullptr;
  }
}

// The library parses by recursion: depth is bounded before it sees the text.
bool TooDeep(std::string_view text) {
  constexpr int kMaxDepth = 64;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    }
    if (c == '}' || c == ']') --depth;
  }
  return false;
}

bool SameMembers(const Json::Object& a, const Json& b) {
  return a.size() == b.as_object().size() &&
         std::all_of(a.begin(), a.end(), [&](const auto& member) {
           const Json* other = b.Find(member.first);
           return other != nullptr && *other == member.second;
         });
}

}  // namespace

bool Json::as_bool() const {
  TRANCHE_CHECK(is_bool());
  return std::get<bool>(value_);
}
std::int64_t Json::as_int() const {
  TRANCHE_CHECK(is_int());
  return std::get<std::int64_t>(value_);
}
double Json::as_double() const {
  if (is_int()) return static_cast<double>(as_int());
  TRANCHE_CHECK(is_double());
  return std::get<double>(value_);
}
const std::string& Json::as_string() const {
  TRANCHE_CHECK(is_string());
  return std::get<std::string>(value_);
}
const Json::Array& Json::as_array() const {
  TRANCHE_CHECK(is_array());
  return std::get<Array>(value_);
}
const Json::Object& Json::as_object() const {
  TRANCHE_CHECK(is_object());
  return std::get<Object>(value_);
}

Json& Json::Set(std::string_view key, Json value) {
  TRANCHE_CHECK(is_object());
  auto& members = std::get<Object>(value_);
  for (Member& member : members) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::string(key), std::move(value));
  return *this;
}

const Json* Json::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& member : as_object()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

void Json::Append(Json value) {
  TRANCHE_CHECK(is_array());
  std::get<Array>(value_).push_back(std::move(value));
}

std::string Json::Dump(int indent) const {
  return ToLibrary(*this).dump(indent > 0 ? indent : -1, ' ', false,
                               Library::error_handler_t::replace);
}

Result<Json> Json::Parse(std::string_view text) {
  if (TooDeep(text)) return Status(Code::kInvalidArgument, "JSON is nested too deeply");
  // The library takes a NUL for the end; no JSON text has one.
  if (text.find('\0') != std::string_view::npos) {
    return Status(Code::kInvalidArgument, "not valid JSON");
  }
  const Library parsed = Library::parse(text.begin(), text.end(), nullptr, false);
  if (parsed.is_discarded()) return Status(Code::kInvalidArgument, "not valid JSON");
  return FromLibrary(parsed);
}

bool operator==(const Json& a, const Json& b) {
  if (a.is_object() && b.is_object()) return SameMembers(a.as_object(), b);
  return a.value_ == b.value_;
}

}  // namespace tranche::base
