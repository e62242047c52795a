#include "config/yaml/tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "config/yaml/document.h"
#include "config/yaml/scalar.h"
#include "config/yaml/text.h"

namespace tranche::config::yaml {
namespace {

// What stops the library's parser from inside an event; caught in ParseYaml.
struct Stop {
  Failure failure;
};

Mark FromLibrary(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

bool Same(Mark a, Mark b) { return a.line == b.line && a.column == b.column; }

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
  TreeBuilder(std::string_view text, Tree& tree)
      : text_(text), most_values_(std::max(kFewNodes, text.size() / kBytesPerNode)), tree_(tree) {}

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
    Attach(found->second, FromLibrary(mark));
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
    Attach(&node, node.mark, merge_word ? Word::kMerge : Word::kOther,
           anchor != 0 ? Reach::kByAlias : Reach::kHere);
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

  // One more value that takes memory.
  void Charge(Mark mark) {
    if (++values_ <= most_values_) return;
    throw Stop{LimitFailure(mark, fmt::format("a text of {} bytes may have {} values: write fewer, "
                                              "or split the config into several profiles",
                                              text_.size(), most_values_))};
  }

  Node& New(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) {
    Charge(FromLibrary(mark));
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
    Attach(&node, node.mark);
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
    frame.index = Index(0, ByKey{&node}, ByKey{&node});
  }

  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Node* node = frame.node;
    for (const Node* item : node->items) Count(*node, *item);
    for (const Node::Entry& entry : node->entries) Count(*node, *entry.value);
    if (frame.anchor != 0) anchors_[frame.anchor] = node;
    Attach(node, node->mark);
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

  // Whether a scalar is the word of a merge key, "<<".
  enum class Word { kMerge, kOther };
  // Whether a node may be referred to again, by an alias.
  enum class Reach { kByAlias, kHere };

  // `node` is the next item, key, value or the root. `mark` is where it stands, alias or not.
  void Attach(const Node* node, Mark mark, Word word = Word::kOther,
              Reach reach = Reach::kByAlias) {
    if (frames_.empty()) {
      tree_.root = node;
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node->is_list()) {
      frame.node->items.push_back(node);
    } else if (!frame.have_key) {
      TakeKey(frame, *node, mark, word);
      // A key's text is in its frame: the node is needed by nobody, unless it has a name.
      if (node == &tree_.nodes.back() && reach == Reach::kHere) {
        tree_.nodes.pop_back();
        --values_;
      }
    } else if (frame.merge) {
      frame.have_key = false;
      Merge(frame, *node, mark);
    } else {
      frame.have_key = false;
      PutEntry(frame, {std::move(frame.key), frame.key_mark, node}, Origin::kWritten);
    }
  }

  static void TakeKey(Frame& frame, const Node& node, Mark mark, Word word) {
    frame.have_key = true;
    frame.merge = word == Word::kMerge;
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
      PutEntry(frame, entry, Origin::kMerged);
    }
  }

  // Whether an entry stands in the map itself, or came by a merge.
  enum class Origin { kWritten, kMerged };

  void PutEntry(Frame& frame, Node::Entry entry, Origin origin) {
    const bool merged = origin == Origin::kMerged;
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
           entry.key_mark.line, entry.key_mark.column});
    }
    if (merged) frame.merged.insert(*found);
    // The key stays: the index finds it by that.
    old = std::move(entry);
  }

  static constexpr std::size_t kMaxDiagnostics = 100;

  std::string_view text_;
  std::size_t most_values_;
  std::size_t values_ = 0;
  Tree& tree_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, const Node*> anchors_;
};

}  // namespace

std::optional<Failure> ParseYaml(std::string_view text, Tree& tree) {
  if (text.size() > kMaxTextBytes) {
    return Failure{base::Code::kOutOfRange,
                   fmt::format("config of {} bytes is larger than {}", text.size(), kMaxTextBytes),
                   {}};
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  std::string clean;
  if (auto failure = FirstDocument(text, clean)) return failure;
  // The library tells a wrong place of a key that ends the text.
  if (!clean.ends_with('\n')) clean.push_back('\n');
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

}  // namespace tranche::config::yaml
