#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <sstream>
#include <unordered_map>

#include "config/yaml_scalar.h"

namespace tranche::config {
namespace {

// Counted without regard to quotes, so far above kMaxDepth; upstream's library has the same limit.
constexpr int kMaxOpenBrackets = 10'000;

// What stops the library's parser from inside an event; caught in ParseYaml.
struct Stop {
  Failure failure;
};

Mark FromLibrary(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

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

class TreeBuilder final : public YAML::EventHandler {
 public:
  // `text` is what the library reads: its marks are offsets into it.
  TreeBuilder(std::string_view text, Tree& tree) : text_(text), tree_(tree) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    // "[a,,b]": the library makes a null of it, upstream's an error.
    if (anchor == 0 && !frames_.empty() && frames_.back().node->is_list() && At(mark) == ',') {
      StopWith(FromLibrary(mark), "did not find expected node content");
    }
    // A torn last line: the library makes a key of it, and gives it a value at the key's own place.
    const bool torn = anchor == 0 && !frames_.empty() && frames_.back().block &&
                      frames_.back().have_key && Same(frames_.back().key_mark, FromLibrary(mark)) &&
                      !ColonOnLine(mark);
    if (torn) StopWith(FromLibrary(mark), "could not find expected ':'");
    Add(New(mark, anchor), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) StopWith(FromLibrary(mark), "anchor value contains itself");
    Attach(found->second, FromLibrary(mark), false);
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
    Attach(&node, node.mark, merge_word);
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
    std::unordered_map<std::string, std::size_t> index;  // key to entry
    std::unordered_map<std::string, bool> merged;        // keys that came only from a merge
  };

  Node& New(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) {
    if (tree_.nodes.size() >= kMaxNodes) {
      StopWith(FromLibrary(mark), "document has more than 1000000 nodes");
    }
    Node& node = tree_.nodes.emplace_back();
    node.mark = FromLibrary(mark);
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
    StopWith(FromLibrary(mark), "found unexpected end of stream");
  }

  void Add(Node& node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = &node;
    Attach(&node, node.mark, false);
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind,
            YAML::EmitterStyle::value style) {
    if (frames_.size() >= static_cast<std::size_t>(kMaxDepth)) {
      StopWith(FromLibrary(mark), fmt::format("exceeded max depth of {}", kMaxDepth));
    }
    if (!frames_.empty() && frames_.back().node->is_map() && !frames_.back().have_key) {
      StopWith(FromLibrary(mark), "invalid map key: a list or a map");
    }
    Node& node = New(mark, anchor);
    node.kind = kind;
    Frame& frame = frames_.emplace_back();
    frame.node = &node;
    frame.anchor = anchor;
    frame.block = style == YAML::EmitterStyle::Block;
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
    parent.depth = std::max(parent.depth, child.depth + 1);
    if (parent.depth > kMaxDepth) {
      StopWith(parent.mark, fmt::format("exceeded max depth of {}", kMaxDepth));
    }
  }

  // `node` is the next item, key, value or the root. `mark` is where it stands, alias or not.
  void Attach(const Node* node, Mark mark, bool merge_word) {
    if (frames_.empty()) {
      tree_.root = node;
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node->is_list()) {
      frame.node->items.push_back(node);
    } else if (!frame.have_key) {
      TakeKey(frame, *node, mark, merge_word);
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
    merged_entries_ += from.entries.size();
    if (merged_entries_ > kMaxNodes) StopWith(mark, "document contains excessive aliasing");
    for (const Node::Entry& entry : from.entries) PutEntry(frame, entry, true);
  }

  void PutEntry(Frame& frame, Node::Entry entry, bool merged) {
    const auto [found, fresh] = frame.index.emplace(entry.key, frame.node->entries.size());
    if (fresh) {
      if (merged) frame.merged.emplace(entry.key, true);
      frame.node->entries.push_back(std::move(entry));
      return;
    }
    Node::Entry& old = frame.node->entries[found->second];
    const bool overrides_merge = frame.merged.erase(entry.key) > 0;
    if (!merged && !overrides_merge && tree_.diagnostics.size() < kMaxDiagnostics) {
      tree_.diagnostics.push_back(
          {Severity::kWarning,
           fmt::format("duplicate key '{}': this one wins over the one on line {}", entry.key,
                       old.key_mark.line),
           entry.key_mark.line, entry.key_mark.column, false, ""});
    }
    if (merged) frame.merged.emplace(entry.key, true);
    old = std::move(entry);
  }

  static constexpr std::size_t kMaxDiagnostics = 100;

  std::string_view text_;
  Tree& tree_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, const Node*> anchors_;
  std::uint64_t merged_entries_ = 0;
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
std::optional<Failure> Clean(std::string_view text, std::string& out) {
  int line = 1;
  int open_brackets = 0;
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

std::optional<Failure> ParseYaml(std::string_view text, Tree& tree) {
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
  if (auto failure = Clean(text, clean)) return failure;
  try {
    std::istringstream stream(clean);
    YAML::Parser parser(stream);
    TreeBuilder builder(clean, tree);
    parser.HandleNextDocument(builder);
  } catch (const Stop& stop) {
    return stop.failure;
  } catch (const YAML::Exception& error) {
    return YamlFailure(FromLibrary(error.mark), error.msg);
  } catch (const std::exception& error) {
    return YamlFailure({}, error.what());
  }
  if (tree.root == nullptr) tree.root = &tree.nodes.emplace_back();
  return std::nullopt;
}

}  // namespace tranche::config
