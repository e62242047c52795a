#include "config/yaml/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace tranche::config::yaml {
namespace {

constexpr std::size_t kMaxShown = 64;

std::string_view LineAt(std::string_view text, int number) {
  for (int i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The first line from `first` to `last` whose indentation has a tab, with the tab's column.
Mark TabIn(std::string_view text, int first, int last) {
  for (int line = 1; line <= last && !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    const std::string_view here = text.substr(0, end);
    const std::size_t indent = std::min(here.find_first_not_of(" \t"), here.size());
    const std::size_t tab = here.substr(0, indent).find('\t');
    const bool says = indent < here.size() && here[indent] != '#';
    if (line >= first && tab != std::string_view::npos && says) {
      return {line, static_cast<int>(tab) + 1};
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

// A line that is meant as a key and its value, and has no space between them: "replicas:4".
struct Joined {
  Mark mark;
  std::string_view key;
  std::string_view value;
};

Joined JoinedIn(std::string_view text, int number) {
  const std::string_view line = LineAt(text, number);
  const std::size_t start = line.find_first_not_of(" -");
  if (start == std::string_view::npos) return {};
  std::string_view rest = line.substr(start);
  rest = base::Trim(rest.substr(0, rest.find(" #")));
  const std::size_t colon = rest.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size()) return {};
  const std::string_view key = rest.substr(0, colon);
  const std::string_view value = rest.substr(colon + 1);
  const bool is_word = std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  const bool has_space = value.front() == ' ' || value.front() == '\t';
  // "a:b: c" has the key a:b, and "http://…" is an address.
  const bool is_key = value.find(": ") != std::string_view::npos || value.ends_with(':');
  if (!is_word || has_space || is_key || value.starts_with("//")) return {};
  return {{number, static_cast<int>(start) + 1}, key, value};
}

// The line that fails, or the last one above it that says something: without the space it is a
// text, and the next key comes where none is expected.
Joined JoinedNear(std::string_view text, int failing) {
  if (const Joined here = JoinedIn(text, failing); here.mark.line > 0) return here;
  constexpr int kMostBlank = 20;
  for (int line = failing - 1; line > std::max(0, failing - kMostBlank); --line) {
    const std::string_view content = base::Trim(LineAt(text, line));
    if (!content.empty() && !content.starts_with('#')) return JoinedIn(text, line);
  }
  return {};
}

// What the library says where a text stands instead of a key.
bool MissesAKey(std::string_view message) {
  constexpr std::array<std::string_view, 4> kSaid{
      "illegal map value", "could not find expected ':'", "end of map not found",
      "end of sequence not found"};
  return std::find(kSaid.begin(), kSaid.end(), message) != kSaid.end();
}

// What stands after the last of upstream's stages.
std::string_view WithoutStages(std::string_view message) {
  for (const std::string_view stage :
       {std::string_view("error converting YAML to JSON: "), std::string_view("yaml: ")}) {
    if (message.starts_with(stage)) message.remove_prefix(stage.size());
  }
  if (message.starts_with("line ")) {
    const std::size_t colon = message.find(": ");
    if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  }
  return message;
}

}  // namespace

bool IsTemplate(std::string_view text) {
  const std::size_t open = text.find("{{");
  return open != std::string_view::npos && text.find("}}", open) != std::string_view::npos;
}

Diagnostic ExplainYaml(std::string_view text, const Failure& failure) {
  Diagnostic out{
      .severity = Severity::kError, .line = failure.mark.line, .column = failure.mark.column};
  if (failure.code == base::Code::kOutOfRange) {
    out.message = failure.message;
    return out;
  }
  if (const Mark tab = TabIn(text, failure.mark.line - 1, failure.mark.line + 1); tab.line > 0) {
    out.line = tab.line;
    out.column = tab.column;
    out.message = "a tab is used as indentation";
    out.instead = "write spaces";
    return out;
  }
  out.message = fmt::format("not readable as YAML: {}", WithoutStages(failure.message));
  if (IsTemplate(LineAt(text, failure.mark.line))) {
    out.message = "a template that nobody has filled in";
    out.instead = kFillTemplate;
  } else if (MissesAKey(WithoutStages(failure.message))) {
    const Joined joined = JoinedNear(text, failure.mark.line);
    if (joined.mark.line == 0) return out;
    const auto key = joined.key.substr(0, kMaxShown);
    const auto value = joined.value.substr(0, kMaxShown);
    out.line = joined.mark.line;
    out.column = joined.mark.column;
    out.message = fmt::format("{}:{} has no space after the colon", key, value);
    out.instead = fmt::format("write {}: {}", key, value);
  }
  return out;
}

}  // namespace tranche::config::yaml
