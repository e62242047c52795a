#include "cli/top/columns.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace tranche::cli::top {

namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode's East_Asian_Width W and F, by blocks.
constexpr auto kWide = std::to_array<Range>(
    {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
     {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26AA, 0x26AB},
     {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x2705, 0x2705},   {0x270A, 0x270B},
     {0x2728, 0x2728},   {0x274C, 0x274C},   {0x2753, 0x2755},   {0x2795, 0x2797},
     {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
     {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},
     {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18D08},
     {0x1B000, 0x1B2FB}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F265},
     {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F7E0, 0x1F7EB}, {0x1F90C, 0x1FAFF},
     {0x20000, 0x3FFFD}});
// The combining marks of the scripts that have many.
constexpr auto kNone = std::to_array<Range>(
    {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x05BF, 0x05BF}, {0x05C1, 0x05C2},
     {0x05C4, 0x05C5}, {0x0610, 0x061A}, {0x064B, 0x065F}, {0x06D6, 0x06DC}, {0x0900, 0x0902},
     {0x093C, 0x093C}, {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},
     {0x0E47, 0x0E4E}, {0x1160, 0x11FF}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF},
     {0x302A, 0x302D}, {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}});
// What is not seen at all: marks of direction, joiners, tags.
constexpr auto kHidden = std::to_array<Range>({{0x00AD, 0x00AD},
                                               {0x061C, 0x061C},
                                               {0x115F, 0x1160},
                                               {0x180E, 0x180E},
                                               {0x200B, 0x200F},
                                               {0x2028, 0x202E},
                                               {0x2060, 0x206F},
                                               {0x3164, 0x3164},
                                               {0xFEFF, 0xFEFF},
                                               {0xFFA0, 0xFFA0},
                                               {0xFFF9, 0xFFFB},
                                               {0xE0000, 0xE007F}});

bool Among(std::span<const Range> ranges, char32_t point) {
  return std::ranges::any_of(
      ranges, [point](const Range& range) { return point >= range.first && point <= range.last; });
}

struct Character {
  std::string_view bytes;
  char32_t point = 0;
  std::size_t columns = 1;
};

// The first character; `text` is not empty.
Character First(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  std::size_t length = 1;
  char32_t point = byte;
  if (byte >= 0xC0) {
    length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    point = byte & (0x7FU >> length);
    length = std::min(length, text.size());
    for (std::size_t i = 1; i < length; ++i) {
      point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
  }
  Character character{.bytes = text.substr(0, length), .point = point};
  if (point < 0x80) return character;
  if (Among(kHidden, point) || Among(kNone, point)) {
    character.columns = 0;
  } else if (Among(kWide, point)) {
    character.columns = 2;
  }
  return character;
}

template <class Do>
void ForEach(std::string_view text, const Do& act) {
  while (!text.empty()) {
    const Character character = First(text);
    text.remove_prefix(character.bytes.size());
    if (character.point >= 0x80 && Among(kHidden, character.point)) continue;
    if (!act(character)) return;
  }
}

}  // namespace

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  ForEach(text, [&](const Character& character) {
    columns += character.columns;
    return true;
  });
  return columns;
}

std::string Cut(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t taken = 0;
  std::size_t room_for_mark = 0;  // how much of `out` leaves a column for the mark
  bool all = true;
  ForEach(text, [&](const Character& character) {
    if (taken + character.columns > columns) {
      all = false;
      return false;
    }
    out += character.bytes;
    taken += character.columns;
    if (taken < columns) room_for_mark = out.size();
    return true;
  });
  if (all || columns == 0) return all ? out : "";
  out.resize(room_for_mark);
  return out + "…";
}

std::string FitLeft(std::string_view text, std::size_t columns) {
  std::string out = Cut(text, columns);
  return out.append(columns - std::min(columns, Columns(out)), ' ');
}

std::string FitRight(std::string_view text, std::size_t columns) {
  const std::string cut = Cut(text, columns);
  return std::string(columns - std::min(columns, Columns(cut)), ' ') + cut;
}

std::string ToAscii(std::string_view text) {
  static constexpr std::array<std::pair<char32_t, char>, 8> kKnown{{{U'█', '#'},
                                                                    {U'░', '.'},
                                                                    {U'…', '~'},
                                                                    {U'·', '-'},
                                                                    {U'↑', '^'},
                                                                    {U'↓', 'v'},
                                                                    {U'°', ' '},
                                                                    {U'–', '-'}}};
  std::string out;
  ForEach(text, [&](const Character& character) {
    if (character.point < 0x80) {
      out += character.bytes;
      return true;
    }
    const auto* known =
        std::ranges::find(kKnown, character.point, &std::pair<char32_t, char>::first);
    out.append(character.columns, known == kKnown.end() ? '?' : known->second);
    return true;
  });
  return out;
}

}  // namespace tranche::cli::top
