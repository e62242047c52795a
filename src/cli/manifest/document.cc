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

Lines::Lines(std::string_view text) : text_(text), starts_{0} {
  for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
    starts_.push_back(at + 1);
  }
}

std::string_view Lines::At(int number) const {
  const auto index = static_cast<std::size_t>(number - 1);
  if (number < 1 || index >= starts_.size()) return "";
  const std::string_view rest = text_.substr(starts_[index]);
  return rest.substr(0, rest.find('\n'));
}

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace tranche::cli::manifest
