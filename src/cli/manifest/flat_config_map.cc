#include "cli/manifest/flat_config_map.h"

#include <algorithm>
#include <set>

#include "config/schema.h"

namespace tranche::cli::manifest {
namespace {

bool HasChildren(std::string_view path) { return !config::KeysOf(path).empty(); }

// One line of a text whose indentation is gone: "- name: gpu" is an item with the key `name`.
struct Flat {
  explicit Flat(std::string_view line) {
    const std::size_t first = std::min(line.find_first_not_of(" \t"), line.size());
    indent = first;
    text = line.substr(first);
    while (text.ends_with('\r') || text.ends_with(' ')) text.remove_suffix(1);
    std::string_view rest = text;
    item = rest.starts_with("- ");
    if (item) rest.remove_prefix(std::min(rest.find_first_not_of(' ', 1), rest.size()));
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos || text.starts_with("#")) return;
    key = rest.substr(0, colon);
    value = rest.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  }

  [[nodiscard]] bool block() const { return value.starts_with("|") || value.starts_with(">"); }

  std::size_t indent = 0;
  std::string_view text;
  std::string_view key;  // "" for a blank, a comment or a bare value
  std::string_view value;
  bool item = false;
};

// Gives the lines of one profile the places that their keys have in the schema.
class Indenter {
 public:
  static constexpr std::size_t kStep = 2;

  explicit Indenter(std::size_t base) : open_{{"", base, {}}} {}

  // The line with its indentation, or nothing where the key belongs nowhere that is open.
  std::optional<std::string> Place(const Flat& line) {
    if (line.text.empty()) return std::string();
    if (line.key.empty() && !line.item) return Indented(open_.back().indent, line.text);
    if (line.item) return PlaceItem(line);
    for (std::size_t depth = open_.size(); depth-- > 0;) {
      const config::Key* key = config::FindKey(open_[depth].path, line.key);
      if (key == nullptr || open_[depth].seen.contains(key->path)) continue;
      open_.resize(depth + 1);
      return Enter(*key, line);
    }
    return std::nullopt;
  }

 private:
  struct Level {
    std::string path;
    std::size_t indent;  // of the keys in it
    std::set<std::string_view> seen;
  };

  static std::string Indented(std::size_t indent, std::string_view text) {
    return std::string(indent, ' ') + std::string(text);
  }

  std::string Enter(const config::Key& key, const Flat& line) {
    open_.back().seen.insert(key.path);
    const std::size_t indent = open_.back().indent;
    const std::string path(key.path);
    if (HasChildren(path) || HasChildren(path + "[]")) {
      open_.push_back({path, indent + kStep, {}});
    }
    return Indented(indent, line.text);
  }

  // `- key: value` begins an item of the innermost list that has such a key.
  std::optional<std::string> PlaceItem(const Flat& line) {
    for (std::size_t depth = open_.size(); depth-- > 0;) {
      const std::string path = open_[depth].path;
      const bool in_item = path.ends_with("[]");
      const std::string item = in_item ? path : path + "[]";
      const config::Key* key = config::FindKey(item, line.key);
      if (key == nullptr) continue;
      open_.resize(in_item ? depth : depth + 1);
      const std::size_t dash = open_.back().indent;
      open_.push_back({item, dash + kStep, {key->path}});
      return Indented(dash, line.text);
    }
    return std::nullopt;
  }

  std::vector<Level> open_;
};

// The lines of a ConfigMap, of which those below `data` may have lost their indentation.
class Mender {
 public:
  std::optional<std::string> Place(std::string_view written) {
    const Flat line(written);
    if (line.text.empty() || line.text.starts_with("---") || line.text == "...") {
      return std::string(written);
    }
    const bool within = line.indent > key_indent_;
    // Its first line tells whether a text has kept its indentation.
    if (text_ == Text::kExpected) text_ = within ? Text::kKept : Text::kFlat;
    if (text_ == Text::kKept && within) return std::string(shift_, ' ') + std::string(written);
    if (text_ == Text::kKept) text_ = Text::kEnded;
    // Behind the end of a text, what is indented like the text belongs nowhere.
    if (text_ == Text::kEnded && in_data_ && within) return std::nullopt;
    if (in_data_ && line.block() && !line.item) return BeginProfile(line);
    // What has an indentation of its own has one that would have to be guessed at.
    if (text_ == Text::kFlat) return within ? std::nullopt : profile_->Place(line);
    return PlaceOther(line, written);
  }

 private:
  enum class Text { kNone, kExpected, kFlat, kKept, kEnded };

  std::string BeginProfile(const Flat& line) {
    key_indent_ = line.indent;
    shift_ = Indenter::kStep - std::min(Indenter::kStep, key_indent_);
    text_ = Text::kExpected;
    profile_.emplace(2 * Indenter::kStep);
    std::string text(line.text);
    // Folded, its lines would become one.
    const std::size_t mark = line.text.size() - line.value.size();
    if (text[mark] == '>') text[mark] = '|';
    return std::string(Indenter::kStep, ' ') + text;
  }

  // A line of the ConfigMap itself.
  std::optional<std::string> PlaceOther(const Flat& line, std::string_view written) {
    if (line.indent > 0) return std::string(written);
    if (line.key == "name" || line.key == "namespace") {
      if (!in_metadata_) return std::nullopt;
      return std::string(Indenter::kStep, ' ') + std::string(line.text);
    }
    if (line.text.starts_with("#")) return std::string(written);
    in_metadata_ = line.key == "metadata";
    in_data_ = line.key == "data";
    const bool known = in_metadata_ || in_data_ || line.key == "apiVersion" || line.key == "kind";
    if (!known) return std::nullopt;
    return std::string(written);
  }

  bool in_metadata_ = false;
  bool in_data_ = false;
  Text text_ = Text::kNone;     // of the profile that was begun last
  std::size_t key_indent_ = 0;  // of its key, as written
  std::size_t shift_ = 0;       // what a text that has kept its indentation moves by
  std::optional<Indenter> profile_;
};

}  // namespace

std::optional<LostProfile> FindLostProfile(std::string_view document) {
  bool config_map = false;
  bool in_data = false;
  LostProfile candidate;
  std::size_t indent = 0;
  for (int number = 1; !document.empty(); ++number) {
    const std::size_t end = std::min(document.find('\n'), document.size());
    const Flat line(document.substr(0, end));
    document.remove_prefix(std::min(end + 1, document.size()));
    if (line.text.empty() || line.text.starts_with("#")) continue;
    config_map = config_map || (line.indent == 0 && line.text == "kind: ConfigMap");
    candidate.kept = line.indent > indent;
    if (candidate.line > 0 && (!candidate.kept || indent == 0) && !line.item &&
        config::FindKey("", line.key) != nullptr) {
      return config_map ? std::optional(candidate) : std::nullopt;
    }
    candidate = {};
    if (line.indent == 0 && line.key == "data") in_data = true;
    if (!in_data || !line.block() || line.item) continue;
    candidate = {number, static_cast<int>(line.indent) + 1, std::string(line.key),
                 std::string(line.text), false};
    indent = line.indent;
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> MendFlatConfigMap(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  Mender mender;
  for (const std::string& one : lines) {
    auto placed = mender.Place(one);
    if (!placed) return std::nullopt;
    out.push_back(*std::move(placed));
  }
  return out;
}

}  // namespace tranche::cli::manifest
