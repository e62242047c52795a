#include "cli/manifest/mend.h"

#include <algorithm>
#include <vector>

#include "cli/manifest/flat_config_map.h"
#include "cli/manifest/manifest.h"

namespace tranche::cli::manifest {
namespace {

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

bool Is(const FoundProfile& one, std::string_view what) {
  return one.broken && one.broken->message.find(what) != std::string::npos;
}

// "any:" becomes "any: |"; what stands below it is indented already.
bool MakeText(std::string& line, std::string_view key) {
  const std::size_t first = line.find_first_not_of(' ');
  const std::size_t end = line.find_last_not_of(" \t\r");
  if (first == std::string::npos || line[end] != ':') return false;
  if (std::string_view(line).substr(first, end - first) != key) return false;
  line = line.substr(0, end + 1) + " |";
  return true;
}

// The lines [begin, end) of the document in which line `at` of the file is, counted from 0.
std::pair<std::size_t, std::size_t> DocumentAt(const std::vector<std::string>& lines,
                                               std::size_t at) {
  const auto is_marker = [](const std::string& line) { return line.starts_with("---"); };
  std::size_t begin = at;
  while (begin > 0 && !is_marker(lines[begin])) --begin;
  std::size_t end = at + 1;
  while (end < lines.size() && !is_marker(lines[end])) ++end;
  return {begin, end};
}

}  // namespace

std::optional<std::string> Mend(std::string_view file) {
  std::vector<std::string> lines = Lines(file);
  bool mended = false;
  for (const FoundProfile& one : ReadManifest(file).profiles) {
    const auto at = static_cast<std::size_t>(std::max(one.line - 1, 0));
    if (at >= lines.size()) continue;
    if (Is(one, "is a mapping")) {
      if (!MakeText(lines[at], one.name)) return std::nullopt;
      mended = true;
    } else if (Is(one, "has lost its indentation")) {
      const auto [begin, end] = DocumentAt(lines, at);
      const auto first = lines.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last = lines.begin() + static_cast<std::ptrdiff_t>(end);
      const auto document = MendFlatConfigMap({first, last});
      if (!document) return std::nullopt;
      std::copy(document->begin(), document->end(), first);
      mended = true;
    }
  }
  if (!mended) return std::nullopt;
  return Joined(lines);
}

}  // namespace tranche::cli::manifest
