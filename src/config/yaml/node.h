// Node is a part of a YAML document after resolution: plain values with marks, and no tags, anchors
// or merge keys.
//
// Nodes are owned by a Tree and shared where the text used an alias. A tree is thus a graph without
// cycles; Tree bounds what a walk over it can cost.
//
// Threading: plain values, which any thread may read.
// Errors: none.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "config/yaml/diagnostic.h"

namespace tranche::config::yaml {

struct Node {
  enum class Kind : std::uint8_t { kNull, kBool, kInt, kUnsigned, kFloat, kString, kList, kMap };
  struct Entry {
    std::string key;
    Mark key_mark;
    const Node* value = nullptr;
  };

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::uint8_t depth = 1;  // levels below and including this one
  Mark mark;
  std::uint32_t expanded = 1;  // nodes a walk visits, aliases counted each time
  union {
    std::int64_t integer = 0;
    std::uint64_t unsigned_integer;  // kUnsigned: above what int64 holds
    double number;
  };
  std::string text;                // kString
  std::vector<const Node*> items;  // kList
  std::vector<Entry> entries;      // kMap, unique keys, in the order of the text

  [[nodiscard]] bool is_null() const { return kind == Kind::kNull; }
  [[nodiscard]] bool is_string() const { return kind == Kind::kString; }
  [[nodiscard]] bool is_list() const { return kind == Kind::kList; }
  [[nodiscard]] bool is_map() const { return kind == Kind::kMap; }
  [[nodiscard]] const Entry* Find(std::string_view key) const {
    for (const Entry& entry : entries) {
      if (entry.key == key) return &entry;
    }
    return nullptr;
  }
};

struct Tree {
  std::deque<Node> nodes;               // a deque: addresses stay
  const Node* root = nullptr;           // never null after a successful parse
  std::vector<Diagnostic> diagnostics;  // duplicate keys
};

// Why a text is not a config. `library` marks words that are a YAML library's and not upstream's.
struct Failure {
  base::Code code = base::Code::kInvalidArgument;
  std::string message;
  Mark mark;
};

}  // namespace tranche::config::yaml
