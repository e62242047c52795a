#include "labels/label_text.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

namespace tranche::labels {

namespace {

// "-01234567-"
constexpr std::size_t kChecksumSize = 10;

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsLabelCharacter(char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; }

// The start of `text`, at most `most` characters. It ends between two words where that keeps more
// than half of what there is room for.
std::string_view FirstWords(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  const std::string_view start = text.substr(0, most);
  const std::size_t gap = text[most] == '-' ? most : start.rfind('-');
  return gap != std::string_view::npos && 2 * gap > most ? start.substr(0, gap) : start;
}

// The end of `text` likewise.
std::string_view LastWords(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  const std::size_t before = text.size() - most;
  const std::string_view end = text.substr(before);
  if (text[before - 1] == '-') return end;
  const std::size_t gap = end.find('-');
  return gap != std::string_view::npos && 2 * (most - gap - 1) > most ? end.substr(gap + 1) : end;
}

// Two thirds of the room are for the start, where the names of products say the most.
std::string ShortenMiddle(std::string_view text, std::size_t most) {
  const uLong checksum = crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size());
  const std::size_t room = most - kChecksumSize;
  const std::size_t end = room / 3;
  return fmt::format("{}-{:08x}-{}", FirstWords(text, room - end), checksum, LastWords(text, end));
}

}  // namespace

std::string FitLabel(std::string_view text, std::size_t ending, std::size_t most) {
  std::string plain(text);
  std::erase_if(plain, [](char c) { return !IsLabelCharacter(c); });
  plain.erase(plain.begin(), std::ranges::find_if(plain, IsAlphanumeric));
  while (!plain.empty() && !IsAlphanumeric(plain.back())) {
    plain.pop_back();
    if (ending > 0) --ending;
  }
  if (plain.size() <= most) return plain;
  if (ending + kChecksumSize > most || ending > plain.size()) ending = 0;
  const std::size_t kept = plain.size() - ending;
  return ShortenMiddle(std::string_view(plain).substr(0, kept), most - ending) + plain.substr(kept);
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
