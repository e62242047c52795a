#include "cli/manifest/recognise.h"

#include <algorithm>
#include <array>
#include <vector>

#include "config/resource_name.h"
#include "config/schema.h"
#include "config/yaml/tree.h"

namespace tranche::cli::manifest {
namespace {

using config::yaml::Node;

// One of them, or one that is misspelt.
bool HasKeyOf(const Node& node, std::string_view path) {
  const std::vector<std::string> known = config::KeysOf(path);
  return std::any_of(node.entries.begin(), node.entries.end(), [&](const Node::Entry& entry) {
    return config::FindKey(path, entry.key) != nullptr ||
           !config::NearestName(entry.key, known).empty();
  });
}

// A key that only a config has. `flags` and `imex` are words of other files too: what stands below
// them tells. So it does below a key that is misspelt.
bool Tells(const Node::Entry& entry) {
  const Node& value = *entry.value;
  const config::Key* key = config::FindKey("", entry.key);
  if (key == nullptr) {
    const std::string near = config::NearestName(entry.key, {"sharing", "tranche", "flags"});
    return !near.empty() && HasKeyOf(value, near);
  }
  if (key->path == "sharing" || key->path == "tranche") return value.is_map() || value.is_null();
  return (key->path == "flags" || key->path == "imex") && HasKeyOf(value, key->path);
}

bool HasTellingKey(const Node& root) {
  return std::any_of(root.entries.begin(), root.entries.end(), Tells);
}

// A key that a config may have, here or elsewhere in it, or one that is spelt nearly so.
bool MayBelong(const Node::Entry& entry) {
  const auto below = [&](std::string_view path) {
    return config::FindKey(path, entry.key) != nullptr;
  };
  return below("") || below("flags") || below("flags.plugin") || below("sharing.timeSlicing") ||
         below("sharing") || !config::NearestName(entry.key, config::KeysOf("")).empty();
}

// Kubernetes' objects have both; one of them alone is a stray key of a config that tells.
bool IsObject(const Node& root) {
  const bool kind = root.Find("kind") != nullptr;
  const bool version = root.Find("apiVersion") != nullptr;
  return (kind && version) || ((kind || version) && !HasTellingKey(root));
}

}  // namespace

std::string Stranger(const Node& root) {
  if (!root.is_map() || HasTellingKey(root)) return "";
  for (const Node::Entry& entry : root.entries) {
    if (entry.key == "mig-configs") return "a config of mig-parted (the MIG manager)";
    if (entry.key == "vgpu-configs") return "a config of the vGPU device manager";
  }
  return "";
}

bool LooksLikeConfig(const Node& root) {
  if (!root.is_map() || IsObject(root) || !Stranger(root).empty()) return false;
  if (HasTellingKey(root)) return true;
  // Values of a chart have keys of the same names.
  if (root.Find("config") != nullptr || root.Find("devicePlugin") != nullptr) return false;
  const auto high = [](const Node::Entry& entry) {
    return config::SameWithoutCase(entry.key, "timeSlicing");
  };
  if (std::any_of(root.entries.begin(), root.entries.end(), high)) return true;
  const Node::Entry* version = root.Find("version");
  if (version == nullptr || !version->value->is_string() || version->value->text != "v1") {
    return false;
  }
  return root.entries.size() == 1 ||
         std::any_of(root.entries.begin(), root.entries.end(), [&](const Node::Entry& entry) {
           return &entry != version && MayBelong(entry);
         });
}

bool TextLooksLikeConfig(const std::string& text) {
  config::yaml::Tree tree;
  if (!config::yaml::ParseYaml(text, tree)) return LooksLikeConfig(*tree.root);
  return text.starts_with("version: v1\n") || text.starts_with("version: v1 ") ||
         text.starts_with("sharing:") || text.find("\nsharing:") != std::string::npos;
}

bool MentionsSharing(std::string_view text) {
  constexpr std::array<std::string_view, 3> kWords{"timeSlicing", "nvidia.com/", "device-plugin"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

}  // namespace tranche::cli::manifest
