#include "config/mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "config/resource_name.h"
#include "config/schema.h"
#include "config/value_mistakes.h"
#include "config/yaml/diagnostic.h"

namespace tranche::config {
namespace {

constexpr std::size_t kMaxKind = 64;  // of a name in a message

// What each map cannot be without.
struct Required {
  std::string_view path;
  std::string_view key;
  std::string_view instead;
};
constexpr std::array<Required, 7> kRequired{
    {{"sharing.timeSlicing", "resources", "write the resources to share, `- name: nvidia.com/gpu`"},
     {"sharing.timeSlicing.resources[]", "name", "write name: nvidia.com/gpu"},
     {"sharing.timeSlicing.resources[]", "replicas", "write replicas: 4 (1 means not shared)"},
     {"resources.gpus[]", "pattern", "write pattern: \"*\""},
     {"resources.gpus[]", "name", "write name: nvidia.com/gpu"},
     {"resources.mig[]", "pattern", "write pattern: \"*\""},
     {"resources.mig[]", "name", "write name: nvidia.com/mig-1g.10gb"}}};

class Finder {
 public:
  std::vector<Diagnostic> Run(const Node& root) {
    if (const auto* kind = root.Find("kind");
        kind != nullptr && root.Find("apiVersion") != nullptr) {
      IsAnObject(*kind);
    } else if (!root.is_map() && !root.is_null()) {
      found_.Error(root.mark, fmt::format("{} is no config: a map of keys is wanted", Shown(root)),
                   "write version: v1, and what is shared below sharing");
    } else {
      values_.emplace(found_, MigStrategy(root));
      Map(root, "", root.mark);
    }
    return found_.Take();
  }

 private:
  void IsAnObject(const Node::Entry& kind) {
    const std::string name = kind.value->is_string() ? kind.value->text.substr(0, kMaxKind) : "";
    found_.CannotBeMeant(
        kind.key_mark, fmt::format("a Kubernetes object (kind: {}) and not a sharing config", name),
        name == "ConfigMap" ? "write into the file what stands below one key of its data"
                            : "write version: v1, and what is shared below sharing");
  }

  // flags.migStrategy decides which resources there are.
  static const Node::Entry* MigStrategy(const Node& root) {
    const Node::Entry* found = nullptr;
    for (const Node::Entry& flags : root.entries) {
      if (!SameWithoutCase(flags.key, "flags")) continue;
      for (const Node::Entry& entry : flags.value->entries) {
        if (SameWithoutCase(entry.key, "migStrategy") && entry.value->is_string()) {
          found = &entry;
        }
      }
    }
    return found;
  }

  // A list of resources that stands one or two levels too high.
  static std::string WhereTo(const Value& value) {
    if (!value.node().is_list()) return "";
    if (value.key.path == "resources") return "move it to sharing.timeSlicing.resources";
    if (value.key.path == "sharing" || value.key.path == "sharing.timeSlicing") {
      return "write it below sharing.timeSlicing.resources";
    }
    return "";
  }

  void Map(const Node& node, std::string_view path, Mark where) {
    // Upstream sees the keys in this order: of two that are the same to it the last one wins.
    std::vector<const Node::Entry*> sorted;
    sorted.reserve(node.entries.size());
    for (const Node::Entry& entry : node.entries) sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key < b->key; });
    std::map<const Key*, const Node::Entry*> seen;
    std::vector<const Node::Entry*> unknown;
    for (const Node::Entry* entry : sorted) {
      const Key* key = FindKey(path, entry->key);
      if (key == nullptr) {
        unknown.push_back(entry);
        continue;
      }
      if (const auto [before, fresh] = seen.emplace(key, entry); !fresh) {
        found_.Add({Severity::kWarning,
                    fmt::format("keys '{}' and '{}' are the same: '{}' wins", before->second->key,
                                entry->key, entry->key),
                    entry->key_mark.line, entry->key_mark.column});
        before->second = entry;
      }
      Look({*key, *entry});
    }
    Missing(path, where, seen, unknown);
    Empty(seen, unknown);
    for (const Node::Entry* entry : unknown) found_.Add(UnknownKey(*entry, path));
  }

  // A list without entries. Their keys may stand beside it, where the dash was lost.
  void Empty(const std::map<const Key*, const Node::Entry*>& seen,
             std::vector<const Node::Entry*>& unknown) {
    const Key* resources = FindKey("sharing.timeSlicing", "resources");
    const auto found = seen.find(resources);
    if (found == seen.end() || !found->second->value->items.empty()) return;
    const Node::Entry& entry = *found->second;
    if (!entry.value->is_list() && !entry.value->is_null()) return;
    const auto beside = [&](const Node::Entry* one) {
      return FindKey("sharing.timeSlicing.resources[]", one->key) != nullptr;
    };
    if (std::erase_if(unknown, beside) > 0) {
      found_.Error(
          entry.key_mark,
          "resources has no entry, a list is wanted: an entry's keys stand beside it",
          "write a dash before the first of them, `- name: nvidia.com/gpu`, and indent the "
          "others as that one");
    } else {
      found_.Error(entry.key_mark, "resources has no entry",
                   "write `- name: nvidia.com/gpu` below it, or leave sharing out");
    }
  }

  // A key that is missing because it is misspelt is one mistake, and the misspelt one is told.
  void Missing(std::string_view path, Mark where,
               const std::map<const Key*, const Node::Entry*>& seen,
               std::vector<const Node::Entry*>& unknown) {
    for (const Required& one : kRequired) {
      if (one.path != path || seen.contains(FindKey(path, one.key))) continue;
      const auto misspelt = std::find_if(unknown.begin(), unknown.end(), [&](const auto* entry) {
        return !NearestName(entry->key, {std::string(one.key)}).empty();
      });
      if (misspelt == unknown.end()) {
        found_.Error(where, fmt::format("{} is missing in {}", one.key, path),
                     std::string(one.instead));
        continue;
      }
      Diagnostic told = UnknownKey(**misspelt, path);
      told.severity = Severity::kError;
      found_.Add(std::move(told));
      unknown.erase(misspelt);
    }
  }

  void Look(const Value& value) {
    const Node& node = value.node();
    if (value.key.kind == KeyKind::kList) return List(value);
    if (value.key.kind != KeyKind::kMap) return values_->Look(value);
    if (!node.is_map() && !node.is_null())
      return values_->WrongKind(value, "a map", WhereTo(value));
    // Upstream decodes this one even from nothing, and then misses what it needs.
    if (node.is_null() && value.key.path != "sharing.timeSlicing") return;
    Map(node, value.key.path, value.entry.key_mark);
  }

  void List(const Value& value) {
    const Node& node = value.node();
    if (node.is_map()) {
      const auto* name = node.Find("name");
      const bool named = name != nullptr && name->value->is_string();
      return values_->WrongKind(
          value, "a list",
          fmt::format("write a dash before each entry: `- name: {}`",
                      named ? name->value->text.substr(0, kMaxKind) : "nvidia.com/gpu"));
    }
    if (!node.is_list() && !node.is_null()) {
      return values_->WrongKind(value, "a list", "write `- name: nvidia.com/gpu` below it");
    }
    const std::string path = fmt::format("{}[]", value.key.path);
    for (const Node* item : node.items) {
      if (found_.full()) return;
      if (item->is_map() || item->is_null()) {
        Map(*item, path, item->mark);
      } else {
        found_.Error(
            item->mark,
            fmt::format("{} is {}, an entry with keys is wanted", Shown(*item), KindOf(*item)),
            "write `- name: nvidia.com/gpu`");
      }
    }
  }

  MistakeList found_;
  std::optional<ValueMistakes> values_;
};

}  // namespace

std::vector<Diagnostic> FindMistakes(const Node& root) { return Finder().Run(root); }

}  // namespace tranche::config
