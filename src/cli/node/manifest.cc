#include "cli/node/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

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

// The lines of a part of a file, by the file's numbers.
class Lines {
 public:
  Lines(std::string_view text, int first_line) : first_line_(first_line) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines_.push_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  // "" where there is none.
  [[nodiscard]] std::string_view At(int number) const {
    return number >= first_line_ && number < end() ? lines_[Place(number)] : "";
  }
  [[nodiscard]] int end() const { return first_line_ + static_cast<int>(lines_.size()); }

 private:
  [[nodiscard]] std::size_t Place(int number) const {
    return static_cast<std::size_t>(number - first_line_);
  }

  int first_line_;
  std::vector<std::string_view> lines_;
};

// A ConfigMap's value with its place. `|` keeps lines as they are: they can be told exactly.
FoundProfile AsProfile(const Lines& document, const Node::Entry& entry) {
  FoundProfile out;
  out.name = entry.key;
  out.line = entry.value->mark.line;
  const std::string_view line = document.At(out.line);
  const auto column = static_cast<std::size_t>(std::max(entry.value->mark.column - 1, 0));
  const std::size_t bar = line.find('|', std::min(column, line.size()));
  if (bar != std::string_view::npos && line.find_first_of("'\"", column) > bar) {
    ++out.line;
    for (int at = out.line; at < document.end(); ++at) {
      const std::size_t first = document.At(at).find_first_not_of(" \r");
      if (first != std::string_view::npos) {
        out.indent = static_cast<int>(first);
        break;
      }
      if (at > out.line + 100) break;
    }
    const std::size_t kept =
        std::min(entry.value->text.find_first_not_of(" \n"), entry.value->text.size());
    const std::size_t start = entry.value->text.rfind('\n', kept);
    const std::size_t inner = start == std::string::npos ? kept : kept - start - 1;
    out.indent = std::max(0, out.indent - static_cast<int>(inner));
  }
  out.first_line = std::max(out.line, 1);
  out.text = entry.value->text;
  return out;
}

// A document of a file, and the line of the file at which it begins.
struct Document {
  std::string text;
  int first_line = 1;
};

class Finder {
 public:
  Finder(const Document& document, std::vector<FoundProfile>& out)
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
    const Lines lines(document_.text, document_.first_line);
    for (const Node::Entry& entry : data.entries) {
      if (out_.size() > kMaxProfiles) return;
      if (entry.value->is_string() || entry.value->is_null()) {
        out_.push_back(AsProfile(lines, entry));
      }
    }
  }

  const Document& document_;
  std::vector<FoundProfile>& out_;
};

bool IsMarker(std::string_view line, std::string_view marker) {
  return line.substr(0, 3) == marker && (line.size() == 3 || line.find_first_of(" \t\r", 3) == 3);
}

// The documents of a file.
std::vector<Document> SplitDocuments(std::string_view text) {
  std::vector<Document> out(1);
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (IsMarker(line, "---")) {
      out.push_back({.text = {}, .first_line = number});
      line.replace(0, 3, "   ");
    } else if (IsMarker(line, "...")) {
      line.clear();
    }
    out.back().text += line;
    if (end != std::string_view::npos) out.back().text += '\n';
  }
  return out;
}

}  // namespace

base::Result<std::vector<FoundProfile>> FindProfiles(std::string_view text,
                                                     const std::string& source) {
  std::vector<FoundProfile> out;
  std::vector<Document> documents = SplitDocuments(text);
  {
    config::Tree first;
    // An empty file is a config: upstream's defaults. So is the first document alone, if it is one.
    const bool readable = !config::ParseYaml(text, first);
    const bool blank = readable && first.root->is_null();
    if ((readable && LooksLikeConfig(*first.root)) || (blank && documents.size() == 1)) {
      out.push_back({.name = "", .text = std::string(text), .line = 1});
      return out;
    }
  }
  for (Document& document : documents) {
    if (document.text.find_first_not_of(" \r\n") == std::string::npos) continue;
    config::Tree tree;
    if (const auto failure = config::ParseYaml(document.text, tree, document.first_line)) {
      return base::Status(failure->code, failure->mark.line > 0
                                             ? fmt::format("{} ({}:{})", failure->message, source,
                                                           failure->mark.line)
                                             : failure->message);
    }
    if (LooksLikeConfig(*tree.root)) {
      out.push_back({.name = "",
                     .text = std::move(document.text),
                     .line = tree.root->mark.line,
                     .first_line = document.first_line});
    } else {
      Finder(document, out).Look(*tree.root);
    }
    if (out.size() > kMaxProfiles) {
      return base::Status(base::Code::kOutOfRange,
                          fmt::format("{} holds more than {} configs: split it into several files",
                                      source, kMaxProfiles));
    }
  }
  return out;
}

}  // namespace tranche::cli::node
