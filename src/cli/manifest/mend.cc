#include "cli/manifest/mend.h"

#include <algorithm>
#include <vector>

#include "cli/manifest/document.h"
#include "cli/manifest/flat_config_map.h"
#include "cli/manifest/manifest.h"
#include "config/yaml/tree.h"

namespace tranche::cli::manifest {
namespace {

std::string Joined(const std::vector<std::string>& lines, std::string_view end) {
  std::string out;
  for (const std::string& line : lines) out.append(line).append(end);
  return out;
}

// A mend is one only if whoever reads the file finds the same profiles in it, and can read them.
bool IsWhole(const std::string& mended, std::size_t profiles) {
  const Manifest after = ReadManifest(mended);
  if (!after.unreadable.empty() || after.profiles.size() < profiles) return false;
  return std::none_of(after.profiles.begin(), after.profiles.end(), [](const FoundProfile& one) {
    config::yaml::Tree tree;
    return one.broken || config::yaml::ParseYaml(one.text, tree);
  });
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

// "any: >-" becomes "any: |-".
bool Unfold(std::string& line, std::string_view key) {
  const std::size_t first = std::min(line.find_first_not_of(' '), line.size());
  if (std::string_view(line).substr(first, key.size()) != key) return false;
  const std::size_t mark = line.find_first_not_of(' ', first + key.size() + 1);
  if (mark == std::string::npos || line[first + key.size()] != ':' || line[mark] != '>') {
    return false;
  }
  line[mark] = '|';
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
  std::vector<std::string> lines = SplitLines(file);
  const bool returns = !lines.empty() && lines.front().ends_with('\r');
  for (std::string& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
  }
  bool mended = false;
  const std::vector<FoundProfile> profiles = ReadManifest(file).profiles;
  for (const FoundProfile& one : profiles) {
    const auto at = static_cast<std::size_t>(std::max(one.line - 1, 0));
    if (at >= lines.size()) continue;
    if (Is(one, "is a mapping")) {
      if (!MakeText(lines[at], one.name)) return std::nullopt;
      mended = true;
    } else if (Is(one, "is folded text")) {
      if (!Unfold(lines[at], one.name)) return std::nullopt;
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
  if (!mended || !IsWhole(Joined(lines, "\n"), profiles.size())) return std::nullopt;
  return Joined(lines, returns ? "\r\n" : "\n");
}

}  // namespace tranche::cli::manifest
