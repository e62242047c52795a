#include "cli/manifest/document.h"

#include <fmt/format.h>

#include <algorithm>

namespace tranche::cli::manifest {
namespace {

bool IsMarker(std::string_view line, std::string_view marker) {
  return line.substr(0, 3) == marker && (line.size() == 3 || line.find_first_of(" \t\r", 3) == 3);
}

bool SaysNothing(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#' || line[0] == '%';
}

}  // namespace

config::Diagnostic Origin::InFile(config::Diagnostic one) const {
  if (!exact) {
    if (one.line > 1) one.message += fmt::format(" (on line {} of this text)", one.line);
    one.line = lines + 1;
    one.column = 0;
    return one;
  }
  if (one.line > 0) one.line += lines;
  if (one.line > 0 && one.column > 0) one.column += indent;
  return one;
}

std::vector<Document> SplitDocuments(std::string_view file) {
  std::vector<Document> out;
  Document open;
  bool says = false;
  int lines = 0;
  const auto close = [&](int next) {
    if (says) out.push_back(std::move(open));
    open = {"", {next, 0, true}};
    says = false;
  };
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    std::string line(file.substr(0, end));
    file.remove_prefix(std::min(end + 1, file.size()));
    if (IsMarker(line, "---")) {
      close(lines);
      line.replace(0, 3, "   ");
    } else if (IsMarker(line, "...")) {
      close(lines);
      line.clear();
    }
    says = says || !SaysNothing(line);
    open.text += line + "\n";
    ++lines;
  }
  close(lines);
  return out;
}

std::string_view LineOf(std::string_view text, int number) {
  for (int i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

}  // namespace tranche::cli::manifest
