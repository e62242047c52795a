// Says what is wrong with one value of a config, and what to write instead.
//
// Threading: one thread at a time.
// Errors: none; what is wrong goes into a MistakeList.
#pragma once

#include <string>
#include <string_view>

#include "config/schema.h"
#include "config/yaml/diagnostic.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Mark;
using yaml::MistakeList;
using yaml::Node;

// A value together with the place that stands for it: the key's, where the value is many lines.
struct Value {
  const Key& key;
  const Node::Entry& entry;

  [[nodiscard]] const Node& node() const { return *entry.value; }
  [[nodiscard]] std::string_view name() const { return key.path.substr(key.path.rfind('.') + 1); }
  [[nodiscard]] Mark mark() const {
    return node().is_map() || node().is_list() || node().is_null() ? entry.key_mark : node().mark;
  }
};

// A node as it is shown in a message, bounded in length.
std::string Shown(const Node& node);
// "text", "a number", "a list", …
std::string_view KindOf(const Node& node);

class ValueMistakes {
 public:
  // `mig_strategy` is the file's own flags.migStrategy, null where it has none.
  ValueMistakes(MistakeList& found, const Node::Entry* mig_strategy)
      : found_(found), mig_strategy_(mig_strategy) {}

  // A value of any kind but a map or a list of maps.
  void Look(const Value& value);
  void WrongKind(const Value& value, std::string_view wanted, std::string instead);

 private:
  void Version(const Value& value);
  void Bool(const Value& value);
  void Text(const Value& value);
  void Word(const Value& value);
  void Words(const Value& value);
  void Duration(const Value& value);
  void Replicas(const Value& value);
  void ResourceName(const Value& value);
  void Devices(const Value& value);
  void Channels(const Value& value);

  MistakeList& found_;
  const Node::Entry* mig_strategy_;
};

}  // namespace tranche::config
