// Formats text for a terminal: columns that line up, and colour where it is wanted.
//
// Threading: plain functions, safe on any thread as long as none changes the environment.
// Errors: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tranche::cli::common {

enum class Color { kOff, kOn };
// On where standard output is a terminal and NO_COLOR (https://no-color.org) is not set.
Color ColorOfOutput();

enum class Tint { kNone, kBold, kGood, kWarn, kBad, kFaint };

// `text` in the tint's colour, or as it is.
std::string Tinted(std::string_view text, Tint tint, Color color);

struct Cell {
  std::string text;  // printable already
  Tint tint = Tint::kNone;
};

// Left-aligned columns two spaces apart; the first row is the heading. Nothing after a row's last
// non-empty cell.
std::string Table(const std::vector<std::vector<Cell>>& rows, Color color);

}  // namespace tranche::cli::common
