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
  // Text from outside, as it stands between the quotes of a JSON string.
  Line& AddEscaped(std::string_view text) {
    constexpr char kHex[] = "0123456789abcdef";
    for (const char byte : text) {
      const auto code = static_cast<unsigned char>(byte);
      if (byte == '"' || byte == '\\') {
        AddByte('\\').AddByte(byte);
      } else if (code < 0x20 || code >= 0x7F) {
        Add("\\u00").AddByte(kHex[code >> 4U]).AddByte(kHex[code & 15U]);
      } else {
        AddByte(byte);
      }
    }
    return *this;
  }

  [[nodiscard]] std::string_view view() const { return {&text_[0], size_}; }
  [[nodiscard]] const char* c_str() const { return &text_[0]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool whole() const { return whole_; }

 private:
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
