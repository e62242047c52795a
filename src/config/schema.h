// The keys that a sharing config may have, where they stand and what they take. Messages about a
// config are made from it; what a key means is decided where it is decoded.
//
// Threading: plain functions of a constant table, safe on any thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Node;

// As many replicas of one device as a config may ask for: more than the kubelet's 4 MiB message
// holds by two orders, and few enough to count in an int.
inline constexpr std::int64_t kMaxReplicas = 1'000'000;

enum class KeyKind {
  kVersion,
  kMap,
  kList,  // of maps, whose keys have paths that end in "[]"
  kBool,
  kText,
  kWord,      // one of `words`
  kWords,     // one of `words`, or a list of them
  kDuration,  // of Go, or `infinite`
  kReplicas,
  kResource,  // the name of a resource
  kRename,    // what a resource is to be called
  kDevices,
  kChannels,  // of IMEX
  kUnsupported,
  kOurs,  // below `tranche:`, which has a reader of its own
};

struct Key {
  std::string_view path;  // "sharing.timeSlicing.resources[].name"
  KeyKind kind;
  std::vector<std::string_view> words = {};
};

// In the order in which documents list them.
std::span<const Key> Keys();

// The key `name` of the map at `path` ("" is the whole file), or null. Upstream's structs match
// names without regard to case, its own decoders exactly.
const Key* FindKey(std::string_view path, std::string_view name);

// The names of all keys of the map at `path`.
std::vector<std::string> KeysOf(std::string_view path);

// What to say of a key that the map at `path` does not have: the nearest key that it has, or where
// a key of that name belongs, or all keys that it has.
Diagnostic UnknownKey(const Node::Entry& entry, std::string_view path);

// True where upstream's decoder takes the one name for the other.
bool SameWithoutCase(std::string_view a, std::string_view b);

}  // namespace tranche::config
