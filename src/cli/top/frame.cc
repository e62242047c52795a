#include "cli/top/frame.h"

#include <fmt/format.h>

#include <utility>

#include "cli/top/columns.h"

namespace tranche::cli::top {

namespace {

// ECMA-48: "cursor position", "erase in line"; DEC private mode 2026: synchronized output.
constexpr char kToEndOfLine[] = "\x1b[K";
constexpr char kBeginUpdate[] = "\x1b[?2026h";
constexpr char kEndUpdate[] = "\x1b[?2026l";

}  // namespace

Line& Line::Add(std::string text, Tint tint) {
  parts.push_back({.text = std::move(text), .tint = tint});
  return *this;
}

Line& Line::To(std::size_t column) {
  std::size_t taken = 0;
  for (const common::Cell& part : parts) taken += Columns(part.text);
  if (taken < column) Add(std::string(column - taken, ' '));
  return *this;
}

std::string Render(const Line& line, std::size_t columns, const Looks& looks) {
  std::string out;
  std::size_t left = columns;
  for (const common::Cell& part : line.parts) {
    const std::string cut = Cut(part.text, left);
    left -= Columns(cut);
    out += common::Tinted(looks.unicode ? cut : ToAscii(cut), part.tint, looks.color);
    if (left == 0) break;
  }
  return out;
}

std::string Frames::Next(const std::vector<Line>& lines, std::size_t columns) {
  if (columns != columns_ || lines.size() != shown_.size()) {
    shown_.assign(lines.size(), "\n");  // what no line is
    columns_ = columns;
  }
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string text = Render(lines[i], columns, looks_);
    if (text == shown_[i]) continue;
    out += fmt::format("\x1b[{};1H{}", i + 1, text);
    // In the last column there is nothing behind it, and the cursor would stand on it.
    std::size_t taken = 0;
    for (const common::Cell& part : lines[i].parts) taken += Columns(part.text);
    if (taken < columns) out += kToEndOfLine;
    shown_[i] = std::move(text);
  }
  return out.empty() ? out : kBeginUpdate + out + kEndUpdate;
}

}  // namespace tranche::cli::top
