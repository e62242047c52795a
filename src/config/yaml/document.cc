#include "config/yaml/document.h"

#include <algorithm>

#include "base/text.h"
#include "config/yaml/text.h"

namespace tranche::config::yaml {
namespace {

// "---" or "..." at the start of a line, and nothing but a blank behind it.
bool IsMarker(std::string_view line, std::string_view marker) {
  if (!line.starts_with(marker)) return false;
  line.remove_prefix(marker.size());
  return line.empty() || line.front() == ' ' || line.front() == '\t';
}

// "%YAML 1.1" and "%TAG …" are all that upstream's library knows.
std::optional<Failure> CheckDirective(int line, std::string_view text) {
  text.remove_prefix(1);
  const std::string_view name = text.substr(0, text.find_first_of(" \t"));
  if (name == "TAG") return std::nullopt;
  if (name != "YAML") return YamlFailure({line, 0}, "found unknown directive name");
  std::string_view version = base::Trim(text.substr(name.size()));
  version = version.substr(0, version.find_first_of(" \t#"));
  if (version == "1.1") return std::nullopt;
  return YamlFailure({line, 0}, "found incompatible YAML document");
}

// Cuts `text` off where its first document ends.
std::optional<Failure> CutBehindFirst(std::string& text) {
  bool directives = false;
  bool started = false;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const std::string_view content = base::Trim(line, " ");
    ++number;
    const bool start = IsMarker(line, "---");
    const bool stop = IsMarker(line, "...");
    if (started && (start || stop)) {
      text.resize(at);
      return std::nullopt;
    }
    if (!started && line.starts_with('%')) {
      if (auto failure = CheckDirective(number, line)) return failure;
      directives = true;
    } else if (!started && !content.empty() && content.front() != '#') {
      if (stop) return YamlFailure({number, 0}, "did not find expected node content");
      if (directives && !start) {
        return YamlFailure({number, 0}, "did not find expected <document start>");
      }
      started = true;
    }
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> FirstDocument(std::string_view text, std::string& out) {
  if (auto failure = CleanYaml(text, out)) return failure;
  return CutBehindFirst(out);
}

}  // namespace tranche::config::yaml
