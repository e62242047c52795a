// What text may stand in a label of Kubernetes.
//
// Threading: plain functions, safe on any thread.
// Errors: none; text that does not fit is changed until it does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tranche::labels {

// The length that a value, and the name in a key, may have:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
inline constexpr std::size_t kMostCharacters = 63;

// What upstream does to names: other characters than letters, digits, "-_. " go, blanks are "-".
[[nodiscard]] std::string SanitiseLabel(std::string_view text);

// The nearest text that may stand in a label: it begins and ends with a letter or digit, and has at
// most `most` characters.
//
// A longer text keeps its last `ending` characters and loses the middle of what stands before them:
// the first words, a checksum of that part and the last words remain, so that different texts stay
// different. An ending that leaves no room for a checksum is not kept.
[[nodiscard]] std::string FitLabel(std::string_view text, std::size_t ending = 0,
                                   std::size_t most = kMostCharacters);

}  // namespace tranche::labels
