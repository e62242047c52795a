#include "labels/label_text.h"

#include <algorithm>
#include <utility>

namespace tranche::labels {

namespace {

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsLabelCharacter(char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; }

}  // namespace

std::string FitLabel(std::string_view text, std::size_t most) {
  const auto first = std::ranges::find_if(text, IsAlphanumeric);
  text.remove_prefix(static_cast<std::size_t>(first - text.begin()));
  text = text.substr(0, most);
  while (!text.empty() && !IsAlphanumeric(text.back())) text.remove_suffix(1);
  std::string out(text);
  std::erase_if(out, [](char c) { return !IsLabelCharacter(c); });
  return out;
}

std::string SanitiseLabel(std::string_view text) {
  std::string out;
  bool gap = false;
  for (const char c : text) {
    if (c == ' ') {
      gap = !out.empty();
    } else if (IsLabelCharacter(c)) {
      if (std::exchange(gap, false)) out += '-';
      out += c;
    }
  }
  return out;
}

}  // namespace tranche::labels
