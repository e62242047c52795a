// How many columns of a terminal a text takes, and texts cut and filled to a width.
//
// East Asian characters and emoji take two columns, combining marks none. The characters that
// change the direction of what follows, and other invisible ones, are left out: a name could hide
// with them what it is.
//
// Threading: plain functions, safe on any thread.
// Errors: none. The texts are valid UTF-8 without control characters, as base::Printable gives
// them; any other byte takes a column.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tranche::cli::top {

std::size_t Columns(std::string_view text);

// At most `columns`; where something is left out, the last column is "…".
std::string Cut(std::string_view text, std::size_t columns);

// Exactly `columns`: cut, or with spaces after it or before it.
std::string FitLeft(std::string_view text, std::size_t columns);
std::string FitRight(std::string_view text, std::size_t columns);

// For a terminal that knows ASCII alone, each character in as many columns.
std::string ToAscii(std::string_view text);

}  // namespace tranche::cli::top
