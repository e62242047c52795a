// Small helpers for text.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::base {

// What isspace() calls blank in the C locale.
inline constexpr std::string_view kBlanks = " \t\r\n\v\f";

// `text` without the `blanks` at its start and end. The result points into `text`.
[[nodiscard]] std::string_view Trim(std::string_view text, std::string_view blanks = kBlanks);

// Decimal digits of ASCII, whatever the locale. AllDigits: at least one, and nothing else.
[[nodiscard]] constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] bool AllDigits(std::string_view text);

// The parts with `separator` between them.
[[nodiscard]] std::string Join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace tranche::base
