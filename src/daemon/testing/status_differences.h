// Holds a status document against the table of its fields. Plain functions, for any thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "daemon/status_field.h"

namespace tranche::daemon::testing {

inline std::string TypeOf(const base::Json& json) {
  if (json.is_null()) return "null";
  if (json.is_bool()) return "bool";
  if (json.is_string()) return "text";
  if (json.is_array()) return "list";
  return json.is_object() ? "object" : "number";
}

// The type of each field; where a list has several items, that of one which is not null.
inline void CollectTypes(const base::Json& json, const std::string& path,
                         std::map<std::string, std::string>& types) {
  if (!path.empty() && (!json.is_null() || !types.contains(path))) types[path] = TypeOf(json);
  if (json.is_object()) {
    for (const auto& [key, value] : json.as_object()) {
      CollectTypes(value, path.empty() ? key : path + "." + key, types);
    }
  } else if (json.is_array()) {
    for (const base::Json& item : json.as_array()) CollectTypes(item, path + "[]", types);
  }
}

// What of `json` is not as the table says, or the other way round where it is to have all fields.
inline std::vector<std::string> StatusDifferences(const base::Json& json,
                                                  std::span<const StatusField> fields, bool all) {
  std::map<std::string, std::string> types;
  CollectTypes(json, "", types);
  std::vector<std::string> out;
  for (const StatusField& field : fields) {
    const auto found = types.find(std::string(field.path));
    if (found == types.end()) {
      if (all) out.push_back("not in the document: " + std::string(field.path));
      continue;
    }
    const bool or_null = field.type.ends_with(" or null");
    const std::string_view type =
        or_null ? field.type.substr(0, field.type.size() - 8) : field.type;
    if (found->second != type && !(or_null && found->second == "null")) {
      out.push_back(found->first + " is " + found->second);
    }
    types.erase(found);
  }
  for (const auto& [path, type] : types) out.push_back("not in the table: " + path);
  return out;
}

}  // namespace tranche::daemon::testing
