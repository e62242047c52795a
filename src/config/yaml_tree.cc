#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "config/yaml_scalar.h"

namespace tranche::config {
namespace {

// Counted without regard to quotes, so far above kMaxDepth; upstream's library has the same limit.
constexpr int kMaxOpenBrackets = 10'000;

// What has a meaning between brackets.
constexpr std::string_view kParts = "[]{},:?";

// What stops the library's parser from inside an event; caught in ParseYaml.
struct Stop {
  Failure failure;
};

Mark FromLibrary(const YAML::Mark& mark, int first_line) {
  return {mark.line < 0 ? 0 : mark.line + first_line, mark.column + 1};
}

bool Same(Mark a, Mark b) { return a.line == b.line && a.column == b.column; }

// sigs.k8s.io/yaml has two stages before decoding and says of both that the conversion failed.
Failure ConversionFailure(Mark mark, std::string message) {
  return {base::Code::kInvalidArgument, "error converting YAML to JSON: " + std::move(message),
          mark};
}

Failure YamlFailure(Mark mark, const std::string& message) {
  if (mark.line <= 0) return ConversionFailure(mark, "yaml: " + message);
  return ConversionFailure(mark, fmt::format("yaml: line {}: {}", mark.line, message));
}

[[noreturn]] void StopWith(Mark mark, const std::string& message) {
  throw Stop{YamlFailure(mark, message)};
}

// Numbers of entries, found by their key: the key itself is kept once, in the entry.
struct ByKey {
  using is_transparent = void;
  const Node* map = nullptr;
  [[nodiscard]] std::string_view Key(std::uint32_t at) const { return map->entries[at].key; }
  [[nodiscard]] static std::string_view Key(std::string_view key) { return key; }
  template <class T>
  std::size_t operator()(const T& a) const {
    return std::hash<std::string_view>()(Key(a));
  }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return Key(a) == Key(b);
  }
};
using Index = std::unordered_set<std::uint32_t, ByKey, ByKey>;

class TreeBuilder final : public YAML::EventHandler {
 public:
  // `text` is what the library reads: its marks are offsets into it.
  TreeBuilder(std::string_view text, int first_line, Tree& tree)
      : text_(text),
        first_line_(first_line),
        most_values_(std::max(kFewNodes, text.size() / kBytesPerNode)),
        tree_(tree) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    // "[a,,b]": the library makes a null of it, upstream's an error.
    if (anchor == 0 && !frames_.empty() && frames_.back().node->is_list() && At(mark) == ',') {
      StopWith(Place(mark), "did not find expected node content");
    }
    // A torn last line: the library makes a key of it, and gives it a value at the key's own place.
    const bool torn = anchor == 0 && !frames_.empty() && frames_.back().block &&
                      frames_.back().have_key && Same(frames_.back().key_mark, Place(mark)) &&
                      !ColonOnLine(mark);
    if (torn) StopWith(Place(mark), "could not find expected ':'");
    Add(New(mark, anchor), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) StopWith(Place(mark), "anchor value contains itself");
    Attach(found->second, Place(mark), false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node& node = New(mark, anchor);
    const std::string_view kind = tag == "?" ? std::string_view() : std::string_view(tag);
    if (auto error = ResolveScalar(kind, value, node)) StopWith(node.mark, *error);
    if (node.kind == Node::Kind::kFloat && !std::isfinite(node.number) && !MayBeInfinite()) {
      throw Stop{
          ConversionFailure(node.mark, "json: unsupported value: " + GoFloatText(node.number))};
    }
    CheckQuotes(mark);
    if (anchor != 0) anchors_[anchor] = &node;
    const bool merge_word = value == "<<" && (kind.empty() || tag == "tag:yaml.org,2002:merge");
    Attach(&node, node.mark, merge_word, anchor != 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(mark, anchor, Node::Kind::kList, style);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(mark, anchor, Node::Kind::kMap, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    Node* node = nullptr;
    YAML::anchor_t anchor = 0;
    bool block = false;  // written without brackets
    bool have_key = false;
    bool merge = false;  // the key is a merge key
    std::string key;
    Mark key_mark;
    Index index;                               // entries by their key
    std::unordered_set<std::uint32_t> merged;  // entries that came only from a merge
  };

  [[nodiscard]] Mark Place(const YAML::Mark& mark) const { return FromLibrary(mark, first_line_); }

  // One more value that takes memory.
  void Charge(Mark mark) {
    if (++values_ <= most_values_) return;
    StopWith(mark, fmt::format("a text of {} bytes may have {} values: write fewer, or split the "
                               "config into several profiles",
                               text_.size(), most_values_));
  }

  Node& New(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) {
    Charge(Place(mark));
    Node& node = tree_.nodes.emplace_back();
    node.mark = Place(mark);
    return node;
  }

  [[nodiscard]] char At(const YAML::Mark& mark) const {
    const auto at = static_cast<std::size_t>(mark.pos);
    return mark.pos >= 0 && at < text_.size() ? text_[at] : '\0';
  }

  [[nodiscard]] bool ColonOnLine(const YAML::Mark& mark) const {
    std::string_view line =
        text_.substr(std::min(static_cast<std::size_t>(std::max(mark.pos, 0)), text_.size()));
    line = line.substr(0, line.find('\n'));
    for (std::size_t at = line.find(':'); at != line.npos; at = line.find(':', at + 1)) {
      if (at + 1 == line.size() || line[at + 1] == ' ' || line[at + 1] == '\t') return true;
    }
    return false;
  }

  // Keys become text, and so does the version; anywhere else JSON has no word for it.
  [[nodiscard]] bool MayBeInfinite() const {
    if (frames_.empty() || !frames_.back().node->is_map()) return false;
    const Frame& frame = frames_.back();
    return !frame.have_key || (frames_.size() == 1 && frame.key == "version");
  }

  // The library takes the end of a torn file for the closing quote.
  void CheckQuotes(const YAML::Mark& mark) const {
    auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    while (at < text_.size() && (text_[at] == '!' || text_[at] == '&')) {  // tag and anchor
      at = std::min(text_.find_first_of(" \n\t", at), text_.size());
      at = std::min(text_.find_first_not_of(" \n\t", at), text_.size());
    }
    if (at >= text_.size() || (text_[at] != '\'' && text_[at] != '"')) return;
    const char quote = text_[at++];
    for (; at < text_.size(); ++at) {
      if (quote == '"' && text_[at] == '\\') {
        ++at;
      } else if (text_[at] == quote) {
        const bool doubled = quote == '\'' && at + 1 < text_.size() && text_[at + 1] == quote;
        if (!doubled) return;
        ++at;
      }
    }
    StopWith(Place(mark), "found unexpected end of stream");
  }

  void Add(Node& node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = &node;
    Attach(&node, node.mark, false);
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind,
            YAML::EmitterStyle::value style) {
    if (frames_.size() >= static_cast<std::size_t>(kMaxDepth)) {
      StopWith(Place(mark), fmt::format("exceeded max depth of {}", kMaxDepth));
    }
    if (!frames_.empty() && frames_.back().node->is_map() && !frames_.back().have_key) {
      StopWith(Place(mark), "invalid map key: a list or a map");
    }
    Node& node = New(mark, anchor);
    node.kind = kind;
    Frame& frame = frames_.emplace_back();
    frame.node = &node;
    frame.anchor = anchor;
    frame.block = style == YAML::EmitterStyle::Block;
    frame.index = Index(0, ByKey{&node}, ByKey{&node});
  }

  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Node* node = frame.node;
    for (const Node* item : node->items) Count(*node, *item);
    for (const Node::Entry& entry : node->entries) Count(*node, *entry.value);
    if (frame.anchor != 0) anchors_[frame.anchor] = node;
    Attach(node, node->mark, false);
  }

  static void Count(Node& parent, const Node& child) {
    parent.expanded += child.expanded;
    if (parent.expanded > kMaxNodes) {
      StopWith(parent.mark, "document contains excessive aliasing");
    }
    parent.depth = std::max(parent.depth, static_cast<std::uint8_t>(child.depth + 1));
    if (parent.depth > kMaxDepth) {
      StopWith(parent.mark, fmt::format("exceeded max depth of {}", kMaxDepth));
    }
  }

  // `node` is the next item, key, value or the root. `mark` is where it stands, alias or not.
  // `named` means that an alias may refer to it.
  void Attach(const Node* node, Mark mark, bool merge_word, bool named = true) {
    if (frames_.empty()) {
      tree_.root = node;
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node->is_list()) {
      frame.node->items.push_back(node);
    } else if (!frame.have_key) {
      TakeKey(frame, *node, mark, merge_word);
      // A key's text is in its frame: the node is needed by nobody, unless it has a name.
      if (node == &tree_.nodes.back() && !named) {
        tree_.nodes.pop_back();
        --values_;
      }
    } else if (frame.merge) {
      frame.have_key = false;
      Merge(frame, *node, mark);
    } else {
      frame.have_key = false;
      PutEntry(frame, {std::move(frame.key), frame.key_mark, node}, false);
    }
  }

  static void TakeKey(Frame& frame, const Node& node, Mark mark, bool merge_word) {
    frame.have_key = true;
    frame.merge = merge_word;
    frame.key_mark = mark;
    auto key = KeyText(node);
    if (!key) {
      const bool container = node.is_list() || node.is_map();
      if (container) StopWith(mark, "invalid map key: a list or a map");
      throw Stop{ConversionFailure(
          mark, "unsupported map key of type: " + std::string(node.is_null() ? "null" : "uint64"))};
    }
    frame.key = *std::move(key);
  }

  // Upstream's library applies a merge where it stands: keys before it are replaced, keys after
  // it replace.
  void Merge(Frame& frame, const Node& node, Mark mark) {
    if (node.is_map()) {
      MergeMap(frame, node, mark);
      return;
    }
    if (!node.is_list()) StopWith(mark, "map merge requires map or sequence of maps as the value");
    for (auto item = node.items.rbegin(); item != node.items.rend(); ++item) {
      if (!(*item)->is_map()) {
        StopWith(mark, "map merge requires map or sequence of maps as the value");
      }
      MergeMap(frame, **item, mark);
    }
  }

  void MergeMap(Frame& frame, const Node& from, Mark mark) {
    for (const Node::Entry& entry : from.entries) {
      Charge(mark);
      PutEntry(frame, entry, true);
    }
  }

  void PutEntry(Frame& frame, Node::Entry entry, bool merged) {
    std::vector<Node::Entry>& entries = frame.node->entries;
    const auto found = frame.index.find(std::string_view(entry.key));
    if (found == frame.index.end()) {
      const auto at = static_cast<std::uint32_t>(entries.size());
      entries.push_back(std::move(entry));
      frame.index.insert(at);
      if (merged) frame.merged.insert(at);
      return;
    }
    Node::Entry& old = entries[*found];
    const bool overrides_merge = frame.merged.erase(*found) > 0;
    if (!merged && !overrides_merge && tree_.diagnostics.size() < kMaxDiagnostics) {
      tree_.diagnostics.push_back(
          {Severity::kWarning,
           fmt::format("duplicate key '{}': this one wins over the one on line {}", entry.key,
                       old.key_mark.line),
           entry.key_mark.line, entry.key_mark.column, false});
    }
    if (merged) frame.merged.insert(*found);
    // The key stays: the index finds it by that.
    old = std::move(entry);
  }

  static constexpr std::size_t kMaxDiagnostics = 100;

  std::string_view text_;
  int first_line_;
  std::size_t most_values_;
  std::size_t values_ = 0;
  Tree& tree_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, const Node*> anchors_;
};

// The length of the UTF-8 sequence at `at`, or 0 where there is none (RFC 3629).
std::size_t SequenceLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  const unsigned second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

char32_t Decode(std::string_view text, std::size_t at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (length == 1) return byte(0);
  char32_t value = byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) value = (value << 6U) | (byte(i) & 0x3FU);
  return value;
}

// https://yaml.org/spec/1.1/#c-printable
bool IsPrintable(char32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7E) || c == 0x85 ||
         (c >= 0xA0 && c <= 0xFFFD) || c >= 0x10000;
}

// The text with every line break of YAML 1.1 (CR, CR LF, NEL, LS, PS) as LF: the library knows only
// two of them. Refuses what YAML does not allow and the library takes.
std::optional<Failure> Clean(std::string_view text, int first_line, std::string& out) {
  int line = first_line;
  int open_brackets = 0;
  int bracket_parts = 0;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = SequenceLength(text, at);
    if (length == 0) return YamlFailure({line, 0}, "invalid UTF-8: not a text file");
    const char32_t c = Decode(text, at, length);
    if (!IsPrintable(c)) return YamlFailure({line, 0}, "control characters are not allowed");
    // The library reads a line to its end before the first event, a token for each bracket.
    if (c == '[' || c == '{') ++open_brackets;
    if (c == ']' || c == '}') open_brackets = std::max(0, open_brackets - 1);
    if (open_brackets > kMaxOpenBrackets) {
      return YamlFailure({line, 0}, fmt::format("exceeded max depth of {}", kMaxOpenBrackets));
    }
    // So it does with all that stands in the outermost bracket, to its end.
    if (open_brackets == 0) bracket_parts = 0;
    if (open_brackets > 0 && c < 0x80 && kParts.find(static_cast<char>(c)) != kParts.npos &&
        ++bracket_parts > kMaxBracketParts) {
      return YamlFailure({line, 0},
                         fmt::format("more than {} commas, colons and brackets within one bracket: "
                                     "write lines without brackets instead",
                                     kMaxBracketParts));
    }
    const bool pair = c == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    const bool line_break = c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (line_break) {
      ++line;
      out.push_back('\n');
    } else {
      out.append(text.substr(at, length));
    }
    at += pair ? 2 : length;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> ParseYaml(std::string_view text, Tree& tree, int first_line) {
  if (text.size() > kMaxConfigBytes) {
    return Failure{
        base::Code::kOutOfRange,
        fmt::format("config of {} bytes is larger than {}", text.size(), kMaxConfigBytes),
        {}};
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  std::string clean;
  if (auto failure = Clean(text, first_line, clean)) return failure;
  try {
    std::istringstream stream(clean);
    YAML::Parser parser(stream);
    TreeBuilder builder(clean, first_line, tree);
    parser.HandleNextDocument(builder);
  } catch (const Stop& stop) {
    return stop.failure;
  } catch (const YAML::Exception& error) {
    return YamlFailure(FromLibrary(error.mark, first_line), error.msg);
  } catch (const std::exception& error) {
    return YamlFailure({}, error.what());
  }
  if (tree.root == nullptr) tree.root = &tree.nodes.emplace_back();
  return std::nullopt;
}

}  // namespace tranche::config
