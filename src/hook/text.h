// Texts and lists of bounded size, built without allocating: what is too long is cut, and says so.
//
// Threading: plain objects.
// Errors: whole() is false once something had no room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tranche::hook {

template <typename T, std::size_t kMost>
class List {
 public:
  bool Add(const T& item) {
    if (count_ == kMost) {
      whole_ = false;
      return false;
    }
    items_[count_++] = item;
    return true;
  }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] bool whole() const { return whole_; }
  T& operator[](std::size_t i) { return items_[i]; }
  const T& operator[](std::size_t i) const { return items_[i]; }
  T* begin() { return &items_[0]; }
  T* end() { return &items_[0] + count_; }
  const T* begin() const { return &items_[0]; }
  const T* end() const { return &items_[0] + count_; }

 private:
  T items_[kMost] = {};
  std::size_t count_ = 0;
  bool whole_ = true;
};

// Takes the first character of UTF-8 off a text that is not empty. A byte that belongs to none is
// U+FFFD, as what is longer than it need be, is half of a pair, or is past the last character.
inline std::uint32_t TakeCharacter(std::string_view* text) {
  constexpr std::uint32_t kNone = 0xFFFD;
  constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>((*text)[i]); };
  const std::uint32_t first = byte(0);
  std::size_t more = 0;
  if (first >= 0xF0) {
    more = 3;
  } else if (first >= 0xE0) {
    more = 2;
  } else if (first >= 0xC0) {
    more = 1;
  }
  std::uint32_t code = more == 0 ? first : first & (0x3FU >> more);
  bool right = more < text->size() && (first < 0x80 || first >= 0xC0) && first < 0xF8;
  for (std::size_t i = 1; right && i <= more; ++i) {
    right = (byte(i) & 0xC0U) == 0x80;
    code = code << 6U | (byte(i) & 0x3FU);
  }
  const bool half = code >= 0xD800 && code < 0xE000;
  if (!right || code < kSmallest[more] || half || code > 0x10FFFF) {
    text->remove_prefix(1);
    return kNone;
  }
  text->remove_prefix(more + 1);
  return code;
}

template <std::size_t kMost>
class Line {
 public:
  Line() = default;
  explicit Line(std::string_view text) { Add(text); }

  Line& Add(std::string_view text) {
    for (const char byte : text) AddByte(byte);
    return *this;
  }
  Line& Add(std::uint64_t number) {
    char digits[20];
    std::size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (count > 0) AddByte(digits[--count]);
    return *this;
  }
  Line& AddByte(char byte) {
    if (size_ < kMost) {
      text_[size_++] = byte;
      text_[size_] = '\0';
    } else {
      whole_ = false;
    }
    return *this;
  }
  void Clear() {
    size_ = 0;
    text_[0] = '\0';
    whole_ = true;
  }
  // Text from outside, as it stands between the quotes of a JSON string: in ASCII, what is none by
  // its number, so that it changes nothing of a terminal either. Six bytes for a byte at most.
  Line& AddEscaped(std::string_view text) {
    while (!text.empty()) {
      const char first = text.front();
      const std::uint32_t code = TakeCharacter(&text);
      if (code == '"' || code == '\\') {
        AddByte('\\').AddByte(first);
      } else if (code >= 0x20 && code < 0x7F) {
        AddByte(first);
      } else if (code < 0x10000) {
        AddUnit(code);
      } else {
        AddUnit(0xD800 + ((code - 0x10000) >> 10U)).AddUnit(0xDC00 + (code & 0x3FFU));
      }
    }
    return *this;
  }

  [[nodiscard]] std::string_view view() const { return {&text_[0], size_}; }
  [[nodiscard]] const char* c_str() const { return &text_[0]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool whole() const { return whole_; }

 private:
  Line& AddUnit(std::uint32_t unit) {
    constexpr char kHex[] = "0123456789abcdef";
    Add("\\u").AddByte(kHex[unit >> 12U & 15U]).AddByte(kHex[unit >> 8U & 15U]);
    return AddByte(kHex[unit >> 4U & 15U]).AddByte(kHex[unit & 15U]);
  }

  char text_[kMost + 1] = {};
  std::size_t size_ = 0;
  bool whole_ = true;
};

using Path = Line<4095>;

// What stands after the last slash, and before it ("" where there is none).
inline std::string_view BaseName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return path;
}
inline std::string_view FolderName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  path.remove_suffix(slash == std::string_view::npos ? path.size() : path.size() - slash);
  return path;
}

}  // namespace tranche::hook
