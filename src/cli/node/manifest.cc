#include "cli/node/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/resource_name.h"
#include "config/yaml_tree.h"

namespace tranche::cli::node {
namespace {

using config::Node;

constexpr std::array<std::string_view, 4> kTelling{"sharing", "flags", "tranche", "imex"};

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// A map that is meant as a config: a key that only a config has, or one misspelt, or `version: v1`.
bool LooksLikeConfig(const Node& root) {
  if (!root.is_map() || root.Find("kind") != nullptr || root.Find("apiVersion") != nullptr) {
    return false;
  }
  for (const Node::Entry& entry : root.entries) {
    const std::string key = Lower(entry.key);
    if (std::find(kTelling.begin(), kTelling.end(), key) != kTelling.end()) return true;
    if (!config::NearestName(key, {"sharing", "tranche"}).empty()) return true;
    if (key == "version" && entry.value->is_string() && entry.value->text == "v1") return true;
  }
  return false;
}

bool TextLooksLikeConfig(const std::string& text) {
  config::Tree tree;
  return !config::ParseYaml(text, tree) && LooksLikeConfig(*tree.root);
}

std::string_view Line(std::string_view text, int number) {
  for (int i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// A ConfigMap's value with its place. `|` keeps lines as they are: they can be told exactly.
FoundProfile AsProfile(std::string_view document, const Node::Entry& entry) {
  FoundProfile out;
  out.name = entry.key;
  out.line = entry.value->mark.line;
  const std::string_view line = Line(document, out.line);
  const auto column = static_cast<std::size_t>(std::max(entry.value->mark.column - 1, 0));
  const std::size_t bar = line.find('|', std::min(column, line.size()));
  if (bar != std::string_view::npos && line.find_first_of("'\"", column) > bar) {
    ++out.line;
    for (int at = out.line;; ++at) {
      const std::string_view content = Line(document, at);
      const std::size_t first = content.find_first_not_of(" \r");
      if (first != std::string_view::npos) {
        out.indent = static_cast<int>(first);
        break;
      }
      if (at > out.line + 100 || content.data() == nullptr) break;
    }
    const std::size_t kept =
        std::min(entry.value->text.find_first_not_of(" \n"), entry.value->text.size());
    const std::size_t start = entry.value->text.rfind('\n', kept);
    const std::size_t inner = start == std::string::npos ? kept : kept - start - 1;
    out.indent = std::max(0, out.indent - static_cast<int>(inner));
  }
  out.text =
      std::string(static_cast<std::size_t>(std::max(out.line - 1, 0)), '\n') + entry.value->text;
  return out;
}

class Finder {
 public:
  Finder(std::string_view document, std::vector<FoundProfile>& out)
      : document_(document), out_(out) {}

  void Look(const Node& root) {
    if (!root.is_map()) return;
    const Node::Entry* kind = root.Find("kind");
    const Node::Entry* items = root.Find("items");
    if (kind != nullptr && kind->value->text == "List" && items != nullptr) {
      for (const Node* item : items->value->items) Look(*item);
      return;
    }
    const Node::Entry* data = root.Find("data");
    const bool config_map = kind != nullptr && kind->value->text == "ConfigMap";
    const bool fragment = kind == nullptr && root.entries.size() == 1;
    if (data != nullptr && data->value->is_map() && (config_map || fragment)) Take(*data->value);
  }

 private:
  // All entries, if one of them is a sharing config: the others would be used as profiles too.
  void Take(const Node& data) {
    const auto is_config = [](const Node::Entry& entry) {
      return entry.value->is_string() && TextLooksLikeConfig(entry.value->text);
    };
    if (std::none_of(data.entries.begin(), data.entries.end(), is_config)) return;
    for (const Node::Entry& entry : data.entries) {
      if (entry.value->is_string() || entry.value->is_null()) {
        out_.push_back(AsProfile(document_, entry));
      }
    }
  }

  std::string_view document_;
  std::vector<FoundProfile>& out_;
};

bool IsMarker(std::string_view line, std::string_view marker) {
  return line.substr(0, 3) == marker && (line.size() == 3 || line.find_first_of(" \t\r", 3) == 3);
}

// The documents of a file, each with the lines before it emptied, so that lines count from the top.
std::vector<std::string> SplitDocuments(std::string_view text) {
  std::vector<std::string> out(1);
  std::size_t lines = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (IsMarker(line, "---")) {
      out.emplace_back(lines, '\n');
      line.replace(0, 3, "   ");
    } else if (IsMarker(line, "...")) {
      line.clear();
    }
    out.back() += line;
    if (end != std::string_view::npos) out.back() += '\n';
    ++lines;
  }
  return out;
}

bool IsBlank(std::string_view text) {
  config::Tree tree;
  return !config::ParseYaml(text, tree) && tree.root->is_null();
}

}  // namespace

base::Result<std::vector<FoundProfile>> FindProfiles(std::string_view text,
                                                     const std::string& source) {
  std::vector<FoundProfile> out;
  config::Tree first;
  // An empty file is a config: upstream's defaults. So is the first document alone, if it is one.
  const bool readable = !config::ParseYaml(text, first);
  if ((readable && LooksLikeConfig(*first.root)) || IsBlank(text)) {
    out.push_back({"", std::string(text), 1, 0});
    if (!(readable && first.root->is_null()) || SplitDocuments(text).size() == 1) return out;
    out.clear();
  }
  for (const std::string& document : SplitDocuments(text)) {
    config::Tree tree;
    if (const auto failure = config::ParseYaml(document, tree)) {
      return base::Status(failure->code, failure->mark.line > 0
                                             ? fmt::format("{} ({}:{})", failure->message, source,
                                                           failure->mark.line)
                                             : failure->message);
    }
    if (LooksLikeConfig(*tree.root)) {
      out.push_back({"", document, tree.root->mark.line, 0});
    } else {
      Finder(document, out).Look(*tree.root);
    }
  }
  return out;
}

}  // namespace tranche::cli::node
