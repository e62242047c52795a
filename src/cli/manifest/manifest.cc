#include "cli/manifest/manifest.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/manifest/flat_config_map.h"
#include "cli/manifest/recognise.h"
#include "config/resource_name.h"
#include "config/yaml/explain.h"
#include "config/yaml/tree.h"

namespace tranche::cli::manifest {
namespace {

using config::yaml::Node;

constexpr std::size_t kMaxShown = 64;
constexpr int kMaxTexts = 4;  // a text in a text in a text
// How often its own size may be read in texts of a document: aliases may name one text many times.
constexpr std::size_t kMaxReadAgain = 8;

std::string TextAt(const Node& root, std::string_view key) {
  const Node::Entry* entry = root.Find(key);
  if (entry == nullptr || !entry->value->is_string()) return "";
  return entry->value->text.substr(0, kMaxShown);
}

std::string NameOf(const Node& root) {
  const Node::Entry* metadata = root.Find("metadata");
  return metadata == nullptr ? "" : TextAt(*metadata->value, "name");
}

// "ConfigMap time-slicing-config", or what else there is.
std::string Describe(const Node& root) {
  if (std::string stranger = Stranger(root); !stranger.empty()) return stranger;
  if (const std::string kind = TextAt(root, "kind"); !kind.empty()) {
    const std::string name = NameOf(root);
    return name.empty() ? kind : kind + " " + name;
  }
  if (root.is_list()) return "a list";
  if (!root.is_map()) return "a text without keys";
  std::vector<std::string> keys;
  for (const Node::Entry& entry : root.entries) keys.push_back(entry.key.substr(0, kMaxShown));
  constexpr std::size_t kSome = 4;
  const bool more = keys.size() > kSome;
  if (more) keys.resize(kSome);
  return fmt::format("a map with the {} {}{}", keys.size() == 1 && !more ? "key" : "keys",
                     fmt::join(keys, ", "), more ? ", …" : "");
}

// Where the text of `entry` lies in the file. `|` keeps lines as they are: they are told exactly.
Origin OriginOf(const Lines& document, const Node::Entry& entry, const Origin& outer) {
  const config::yaml::Mark mark = entry.value->mark;
  Origin out{outer.lines + mark.line - 1, 0, false};
  const std::string_view line = document.At(mark.line);
  const auto column = static_cast<std::size_t>(std::max(mark.column - 1, 0));
  const std::size_t bar = line.find('|', std::min(column, line.size()));
  if (!outer.exact) {
    out.lines = outer.lines;
    return out;
  }
  if (bar == std::string_view::npos || line.find_first_of("'\"", column) < bar) return out;
  out.exact = true;
  ++out.lines;
  constexpr int kMostBlank = 100;
  for (int at = mark.line + 1; at <= mark.line + kMostBlank; ++at) {
    const std::string_view content = document.At(at);
    const std::size_t first = content.find_first_not_of(" \r");
    if (first == std::string_view::npos) continue;
    const std::string& text = entry.value->text;
    const std::size_t kept = std::min(text.find_first_not_of(" \n"), text.size());
    const std::size_t start = text.rfind('\n', kept);
    const std::size_t inner = start == std::string::npos ? kept : kept - start - 1;
    out.indent = outer.indent + std::max(0, static_cast<int>(first) - static_cast<int>(inner));
    break;
  }
  return out;
}

// Whether the text of `entry` is written behind `>`: YAML then joins its lines to one.
bool IsFolded(const Lines& document, const Node::Entry& entry) {
  const config::yaml::Mark mark = entry.value->mark;
  std::string_view rest = document.At(mark.line);
  rest.remove_prefix(std::min(static_cast<std::size_t>(std::max(mark.column - 1, 0)), rest.size()));
  while (rest.starts_with('&') || rest.starts_with('!')) {
    rest.remove_prefix(std::min(rest.find(' '), rest.size()));
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  }
  return rest.starts_with('>');
}

class Finder {
 public:
  explicit Finder(Manifest& out) : out_(out) {}

  void Look(const Node& root, std::string_view text, const Origin& origin) {
    lines_.emplace(text);
    budget_ = kMaxReadAgain * text.size();
    origin_ = origin;
    const std::size_t before = out_.profiles.size() + out_.references.size();
    Object(root);
    if (before == out_.profiles.size() + out_.references.size()) Pass(root);
  }

 private:
  void Pass(const Node& root) {
    if (TextAt(root, "kind") == "List") return;
    out_.passed.push_back(
        {Line(root.mark), Describe(root) + (stranger_.empty() ? "" : ", " + stranger_)});
  }

  [[nodiscard]] int Line(config::yaml::Mark mark) const {
    return origin_.lines + (origin_.exact ? std::max(mark.line, 1) : 1);
  }

  void Object(const Node& root) {
    const std::string kind = TextAt(root, "kind");
    const Node::Entry* items = root.Find("items");
    if (kind == "List" && items != nullptr) {
      for (const Node* item : items->value->items) {
        const std::size_t before = out_.profiles.size() + out_.references.size();
        Object(*item);
        if (before == out_.profiles.size() + out_.references.size()) Pass(*item);
      }
      return;
    }
    carrier_ = kind.empty() ? "" : Describe(root);
    stranger_.clear();
    const Node::Entry* data = root.Find("data");
    if (kind == "ConfigMap") {
      if (data != nullptr) Take(*data, "data");
    } else if (kind.empty() && data != nullptr && root.entries.size() == 1) {
      Take(*data, "data");
    } else {
      Values(root, "", 0);
    }
  }

  void Broken(const Node::Entry& entry, std::string_view path, std::string_view what,
              std::string instead) {
    config::Diagnostic why{config::Severity::kError,
                           fmt::format("{}.{} {}", path, entry.key.substr(0, kMaxShown), what),
                           entry.key_mark.line, entry.key_mark.column, std::move(instead)};
    out_.profiles.push_back(
        {entry.key, carrier_, Line(entry.key_mark), "", origin_, origin_.InFile(std::move(why))});
  }

  // All entries, if one of them is a sharing config: the others would be used as profiles too.
  void Take(const Node::Entry& data, std::string_view path) {
    const auto& entries = data.value->entries;
    const auto is_config = [this](const Node::Entry& entry) {
      if (!entry.value->is_string()) return LooksLikeConfig(*entry.value);
      return MayRead(entry) && TextLooksLikeConfig(entry.value->text);
    };
    if (std::none_of(entries.begin(), entries.end(), is_config)) return PassStrangers(data);
    for (const Node::Entry& entry : entries) {
      if (out_.profiles.size() > kMaxProfiles) return;
      if (entry.value->is_map()) {
        Broken(entry, path, "is a mapping; a ConfigMap holds text",
               fmt::format("write \"{}: |\", and the mapping indented below it", entry.key));
      } else if (!entry.value->is_string() && !entry.value->is_null()) {
        Broken(entry, path,
               entry.value->is_list() ? "is a list; a ConfigMap holds text"
                                      : "is no text; a ConfigMap holds text",
               "put it in quotes, or leave it out");
      } else if (MayRead(entry)) {
        if (IsBrokenByFolding(entry)) {
          Broken(entry, path, "is folded text: \">\" joins its lines to one",
                 fmt::format("write \"{}: |\"", entry.key.substr(0, kMaxShown)));
          continue;
        }
        const Origin origin = OriginOf(*lines_, entry, origin_);
        out_.profiles.push_back(
            {entry.key, carrier_, origin.lines + 1, entry.value->text, origin, std::nullopt});
      }
    }
  }

  [[nodiscard]] bool IsBrokenByFolding(const Node::Entry& entry) const {
    config::yaml::Tree tree;
    return entry.value->is_string() && IsFolded(*lines_, entry) &&
           config::yaml::ParseYaml(entry.value->text, tree).has_value();
  }

  bool MayRead(const Node::Entry& entry) {
    const std::size_t size = entry.value->text.size();
    if (size > budget_) {
      budget_ = 0;
      return false;
    }
    budget_ -= size;
    return true;
  }

  // What another program's ConfigMap holds is said; anything else is only named as a whole.
  void PassStrangers(const Node::Entry& data) {
    for (const Node::Entry& entry : data.value->entries) {
      config::yaml::Tree tree;
      if (!entry.value->is_string() || !MayRead(entry)) continue;
      if (config::yaml::ParseYaml(entry.value->text, tree)) continue;
      stranger_ = Stranger(*tree.root);
      if (!stranger_.empty()) return;
    }
  }

  // Values of a chart, wherever in an object they are: `config.map` of the plugin's chart,
  // `config.data` of the operator's, or a text of values.
  void Values(const Node& node, const std::string& path, int texts) {
    for (const Node* item : node.items) Values(*item, path, texts);
    for (const Node::Entry& entry : node.entries) {
      const std::string below = path.empty() ? entry.key : path + "." + entry.key;
      if (entry.key == "config" && entry.value->is_map()) {
        Config(*entry.value, below);
      } else if ((entry.key == "values" || entry.key == "valuesContent") &&
                 entry.value->is_string() && texts < kMaxTexts) {
        ValuesText(entry, below, texts + 1);
      } else {
        Values(*entry.value, below, texts);
      }
    }
  }

  void Config(const Node& config, const std::string& path) {
    const std::size_t before = out_.profiles.size();
    for (const std::string_view key : {"map", "data"}) {
      const Node::Entry* entry = config.Find(key);
      if (entry != nullptr && entry->value->is_map()) {
        Take(*entry, fmt::format("{}.{}", path, key));
      }
    }
    if (out_.profiles.size() > before) CheckDefault(config, path, before);
    const std::string name = TextAt(config, "name");
    const bool ours = path.ends_with("devicePlugin.config");
    if (!ours || out_.profiles.size() > before || name.empty()) return;
    const std::string from = carrier_.empty() ? path : carrier_;
    out_.references.push_back({Line(config.mark), from, name, TextAt(config, "default")});
  }

  // `default` names one of the profiles found from `first` on.
  void CheckDefault(const Node& config, const std::string& path, std::size_t first) {
    const Node::Entry* wanted = config.Find("default");
    if (wanted == nullptr || !wanted->value->is_string() || wanted->value->text.empty()) return;
    std::vector<std::string> names;
    for (std::size_t i = first; i < out_.profiles.size(); ++i) {
      names.push_back(out_.profiles[i].name);
    }
    const std::string& text = wanted->value->text;
    if (std::find(names.begin(), names.end(), text) != names.end()) return;
    const bool whole = text.find('\n') != std::string::npos || text.find(':') != std::string::npos;
    const std::string near = config::NearestName(text, names);
    const std::string which =
        near.empty() ? fmt::format("one of {}", fmt::join(names, ", ")) : near;
    Broken(*wanted, path,
           whole ? "holds a config, a name is wanted" : "names no profile that is here",
           fmt::format("write the name of a profile, {}", which));
  }

  void ValuesText(const Node::Entry& entry, const std::string& path, int texts) {
    config::yaml::Tree tree;
    if (!MayRead(entry) || config::yaml::ParseYaml(entry.value->text, tree)) return;
    const Origin inner = OriginOf(*lines_, entry, origin_);
    auto outer_lines = std::exchange(lines_, Lines(entry.value->text));
    const Origin outer = std::exchange(origin_, inner);
    Values(*tree.root, path, texts);
    lines_ = std::move(outer_lines);
    origin_ = outer;
  }

  Manifest& out_;
  std::optional<Lines> lines_;  // of the text that is looked at
  std::size_t budget_ = 0;      // bytes of texts in it that may still be read
  Origin origin_;
  std::string carrier_;
  std::string stranger_;  // what the object holds instead of a sharing config
};

FoundProfile Lost(const LostProfile& lost, const Document& document) {
  const bool mendable = MendFlatConfigMap(SplitLines(document.text)).has_value();
  const std::string line = lost.text.substr(0, kMaxShown);
  config::Diagnostic why{
      config::Severity::kError,
      fmt::format("data.{} has lost its indentation{}", lost.name.substr(0, kMaxShown),
                  lost.kept ? ": it stands beside data and not below it" : ""),
      lost.line, lost.column,
      fmt::format("{}{}",
                  lost.kept ? fmt::format("indent \"{}\" and its text by two spaces more", line)
                            : fmt::format("indent every line after \"{}\"", line),
                  mendable ? " (--fix prints it so)" : "")};
  return {lost.name, "ConfigMap",     document.origin.lines + lost.line,
          "",        document.origin, document.origin.InFile(std::move(why))};
}

config::Diagnostic BehindTheFirst(int line) {
  return {config::Severity::kError,
          "only the first document of a config file is read, and this is another", line, 1,
          "put it into a file of its own, or under a key of a ConfigMap"};
}

config::Diagnostic TooMany(const Document& document) {
  return {config::Severity::kError,
          fmt::format("there are more than {} configs or objects in this file", kMaxProfiles),
          document.origin.lines + 1, 1, "split it into several files"};
}

}  // namespace

Manifest ReadManifest(std::string_view file) {
  Manifest out;
  const std::vector<Document> documents = SplitDocuments(file);
  bool first = true;
  for (const Document& document : documents) {
    if (const auto lost = FindLostProfile(document.text)) {
      out.profiles.push_back(Lost(*lost, document));
      first = false;
      continue;
    }
    config::yaml::Tree tree;
    if (const auto failure = config::yaml::ParseYaml(document.text, tree)) {
      // A config that cannot be read is still a config, with its mistakes.
      if (documents.size() == 1 && TextLooksLikeConfig(document.text)) {
        out.profiles.push_back({"", "", 1, std::string(file), {}, std::nullopt});
      } else if (out.unreadable.size() < kMaxProfiles) {
        out.unreadable.push_back(
            document.origin.InFile(config::yaml::ExplainYaml(document.text, *failure)));
      }
      first = false;
      continue;
    }
    if (LooksLikeConfig(*tree.root)) {
      // Of a bare file only the first document is read: it is handed on as the agent has it.
      const int line = document.origin.lines + std::max(tree.root->mark.line, 1);
      if (first) {
        out.profiles.push_back({"", "", line, std::string(file), Origin(), std::nullopt});
      } else {
        out.profiles.push_back({"", "", line, "", document.origin, BehindTheFirst(line)});
      }
    } else if (!tree.root->is_null()) {
      Finder(out).Look(*tree.root, document.text, document.origin);
    }
    first = false;
    if (out.profiles.size() > kMaxProfiles || out.passed.size() > kMaxProfiles) {
      out.unreadable.push_back(TooMany(document));
      return out;
    }
  }
  // An empty file is a config: upstream's defaults.
  if (documents.empty()) out.profiles.push_back({"", "", 1, "", {}, std::nullopt});
  return out;
}

}  // namespace tranche::cli::manifest
