#include "cli/common/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace tranche::cli::common {

namespace {

using base::Json;

// Words that YAML 1.1 or 1.2 reads as null or as a bool: https://yaml.org/type/bool.html
constexpr std::array<std::string_view, 9> kWords{"null", "true", "false", "yes", "no",
                                                 "on",   "off",  "y",     "n"};

// Certainly read as the string that it is. A date or a number begins with a digit.
bool IsPlain(std::string_view text) {
  if (text.empty() || text.back() == ':') return false;
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_-./:+").find(static_cast<char>(c)) != std::string_view::npos;
  };
  const auto first = static_cast<unsigned char>(text.front());
  if (std::isalpha(first) == 0 && first != '/') return false;
  if (!std::ranges::all_of(text, fits)) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kWords, lower) == kWords.end();
}

void Emit(const Json& json, YAML::Emitter& out) {
  if (json.is_object()) {
    if (json.as_object().empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, value] : json.as_object()) {
      out << YAML::Key;
      Emit(key, out);
      out << YAML::Value;
      Emit(value, out);
    }
    out << YAML::EndMap;
  } else if (json.is_array()) {
    if (json.as_array().empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const Json& item : json.as_array()) Emit(item, out);
    out << YAML::EndSeq;
  } else if (json.is_string()) {
    if (!IsPlain(json.as_string())) out << YAML::DoubleQuoted;
    out << json.as_string();
  } else if (json.is_bool()) {
    out << json.as_bool();
  } else if (json.is_int()) {
    out << json.as_int();
  } else if (json.is_double()) {
    out << json.as_double();
  } else {
    out << YAML::Null;
  }
}

}  // namespace

std::string ToYaml(const Json& json) {
  YAML::Emitter out;
  out.SetNullFormat(YAML::LowerNull);
  Emit(json, out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace tranche::cli::common
