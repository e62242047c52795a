#include "cli/common/table.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace tranche::cli::common {

namespace {

// ECMA-48 "select graphic rendition".
std::string_view Escape(Tint tint) {
  switch (tint) {
    case Tint::kBold:
      return "\x1b[1m";
    case Tint::kGood:
      return "\x1b[32m";
    case Tint::kWarn:
      return "\x1b[33m";
    case Tint::kBad:
      return "\x1b[31m";
    case Tint::kFaint:
      return "\x1b[2m";
    case Tint::kNone:
      break;
  }
  return {};
}

// Code points, which is what most of what is shown here takes in columns.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

Color ColorOfOutput() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool unwanted = no_color != nullptr && *no_color != '\0';
  return !unwanted && isatty(STDOUT_FILENO) == 1 ? Color::kOn : Color::kOff;
}

std::string Tinted(std::string_view text, Tint tint, Color color) {
  const std::string_view escape = Escape(tint);
  if (color == Color::kOff || escape.empty() || text.empty()) return std::string(text);
  return std::string(escape).append(text).append("\x1b[0m");
}

std::string Table(const std::vector<std::vector<Cell>>& rows, Color color) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row[i].text));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::size_t owed = 0;  // spaces, written only when something follows
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!row[i].text.empty()) {
        out.append(owed, ' ');
        owed = 0;
        const Tint tint = &row == &rows.front() ? Tint::kFaint : row[i].tint;
        out += Tinted(row[i].text, tint, color);
      }
      owed += widths[i] - Width(row[i].text) + 2;
    }
    out += '\n';
  }
  return out;
}

}  // namespace tranche::cli::common
