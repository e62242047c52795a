// How the YAML of node profiles and models is read: values by key, each failure with its line.
//
// Threading: plain functions, safe on any thread.
// Errors: Fail throws, and WithYaml, under which everything is read, makes a Status with file and
// line of it. Both are called in one source each time: an exception does not leave it.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <set>
#include <string>

#include "base/file.h"
#include "base/status.h"

namespace tranche::sim {

// Thrown while a file is read, and caught in WithYaml.
struct ProfileError {
  int line;
  std::string what;
};

[[noreturn]] inline void Fail(const YAML::Node& node, const std::string& what) {
  throw ProfileError{node.Mark().line + 1, what};
}

template <typename T>
T Get(const YAML::Node& map, const char* key) {
  const YAML::Node value = map[key];
  if (!value || !value.IsScalar()) Fail(map, std::string("wants a value for ") + key);
  try {
    return value.as<T>();
  } catch (const YAML::Exception&) {
    Fail(value, std::string("bad value for ") + key);
  }
}

template <typename T>
T Get(const YAML::Node& map, const char* key, T otherwise) {
  return map[key] ? Get<T>(map, key) : otherwise;
}

inline void OnlyKeys(const YAML::Node& map, std::initializer_list<const char*> keys) {
  if (!map.IsMap()) Fail(map, "wants a mapping");
  const std::set<std::string> known(keys.begin(), keys.end());
  for (const auto& entry : map) {
    const auto key = entry.first.as<std::string>();
    if (!known.contains(key)) Fail(entry.first, "unknown key " + key);
  }
}

inline YAML::Node Map(const YAML::Node& map, const char* key) {
  const YAML::Node value = map[key];
  if (!value || !value.IsMap()) Fail(map, std::string("wants a mapping for ") + key);
  return value;
}

// "12.8" as two numbers.
inline void ReadDotted(const YAML::Node& map, const char* key, int* major, int* minor) {
  const auto text = Get<std::string>(map, key);
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d.%d%c", major, minor, &rest) != 2 || *major < 0 || *minor < 0 ||
      *major > 1000 || *minor > 99) {
    Fail(map[key], std::string(key) + " is not like 12.8");
  }
}

inline constexpr std::size_t kMaxProfileBytes = 1 << 20;

// Reads `path` and calls `read` with its root; every failure becomes a Status with file and line.
template <typename Read>
auto WithYaml(const std::string& path, Read read) -> base::Result<decltype(read(YAML::Node()))> {
  base::Result<std::string> text = base::ReadFile(path, kMaxProfileBytes);
  if (!text.ok()) return text.status();
  const auto bad = [&](int line, const std::string& what) {
    return base::Status(base::Code::kInvalidArgument,
                        path + ":" + std::to_string(line) + ": " + what);
  };
  try {
    return read(YAML::Load(*text));
  } catch (const ProfileError& error) {
    return bad(error.line, error.what);
  } catch (const YAML::Exception& error) {
    return bad(error.mark.line + 1, error.msg);
  }
}

}  // namespace tranche::sim
