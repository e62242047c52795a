#include "sim/ptx/lexer.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <string>

namespace tranche::sim::ptx {
namespace {

constexpr std::string_view kCost = "tranche-cost:";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool BeginsName(char c) { return IsLetter(c) || c == '_' || c == '$' || c == '%'; }
bool IsName(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '$'; }

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// How many of the first characters are digits of `base`, and their value.
std::size_t ReadDigits(std::string_view text, int base, std::uint64_t* value) {
  std::size_t size = 0;
  *value = 0;
  while (size < text.size() && HexDigit(text[size]) < base) {
    *value = *value * static_cast<std::uint64_t>(base) +
             static_cast<std::uint64_t>(HexDigit(text[size++]));
  }
  return size;
}

// "1.5", "1e-3" and "3.": how many characters; 0 where it is no such number.
std::size_t DecimalFloat(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && IsDigit(text[size])) ++size;
  bool is_float = false;
  if (size < text.size() && text[size] == '.') {
    is_float = true;
    ++size;
    while (size < text.size() && IsDigit(text[size])) ++size;
  }
  if (size < text.size() && (text[size] == 'e' || text[size] == 'E')) {
    std::size_t after = size + 1;
    if (after < text.size() && (text[after] == '-' || text[after] == '+')) ++after;
    if (after < text.size() && IsDigit(text[after])) {
      is_float = true;
      while (after < text.size() && IsDigit(text[after])) ++after;
      size = after;
    }
  }
  return is_float ? size : 0;
}

}  // namespace

Lexer::Lexer(std::string_view text) : text_(text) { Next(); }

void Lexer::ReadComment() {
  const std::size_t end = std::min(text_.find('\n', at_), text_.size());
  std::string_view comment = text_.substr(at_ + 2, end - at_ - 2);
  while (!comment.empty() && comment.front() == ' ') comment.remove_prefix(1);
  while (!comment.empty() && (comment.back() == ' ' || comment.back() == '\r')) {
    comment.remove_suffix(1);
  }
  if (comment.starts_with(kCost)) {
    comment.remove_prefix(kCost.size());
    while (!comment.empty() && comment.front() == ' ') comment.remove_prefix(1);
    word_.cost = comment;
  }
  at_ = end;
}

void Lexer::SkipBlanks() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      ++at_;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++at_;
    } else if (text_.substr(at_, 2) == "//") {
      ReadComment();
    } else if (text_.substr(at_, 2) == "/*") {
      const std::size_t end = std::min(text_.find("*/", at_ + 2), text_.size());
      for (; at_ < end; ++at_) line_ += text_[at_] == '\n';
      at_ = std::min(end + 2, text_.size());
    } else {
      return;
    }
  }
}

void Lexer::ReadNumber() {
  const std::string_view rest = text_.substr(at_);
  std::size_t size = 0;
  word_.kind = WordKind::kInteger;
  const char second = rest.size() > 1 ? rest[1] : '\0';
  if (rest[0] == '0' && (second == 'f' || second == 'F' || second == 'd' || second == 'D')) {
    const bool narrow = second == 'f' || second == 'F';
    word_.kind = narrow ? WordKind::kFloat32 : WordKind::kFloat64;
    size = 2 + ReadDigits(rest.substr(2, narrow ? 8 : 16), 16, &word_.bits);
    if (size != (narrow ? 10U : 18U)) word_.kind = WordKind::kBad;
  } else if (rest[0] == '0' && (second == 'x' || second == 'X')) {
    size = 2 + ReadDigits(rest.substr(2), 16, &word_.bits);
  } else if (rest[0] == '0' && (second == 'b' || second == 'B')) {
    size = 2 + ReadDigits(rest.substr(2), 2, &word_.bits);
  } else if (const std::size_t floating = DecimalFloat(rest); floating != 0) {
    word_.kind = WordKind::kFloat64;
    size = floating;
    const std::string number(rest.substr(0, std::min<std::size_t>(size, 400)));
    word_.bits = std::bit_cast<std::uint64_t>(std::strtod(number.c_str(), nullptr));
  } else {
    size = ReadDigits(rest, rest[0] == '0' ? 8 : 10, &word_.bits);
  }
  if (word_.kind == WordKind::kInteger && size < rest.size() && rest[size] == 'U') ++size;
  if (size < rest.size() && IsName(rest[size])) word_.kind = WordKind::kBad;
  word_.text = rest.substr(0, size);
  at_ += size;
}

void Lexer::Next() {
  word_ = {};
  SkipBlanks();
  word_.line = line_;
  if (at_ >= text_.size()) return;
  const std::size_t begin = at_;
  const char c = text_[at_];
  const auto take = [&](WordKind kind) {
    word_.kind = kind;
    word_.text = text_.substr(begin, at_ - begin);
  };
  if (BeginsName(c)) {
    ++at_;
    while (at_ < text_.size() && IsName(text_[at_])) ++at_;
    return take(WordKind::kName);
  }
  if (IsDigit(c)) return ReadNumber();
  if (c == '.') {
    ++at_;
    while (at_ < text_.size() && (IsName(text_[at_]) || text_.substr(at_, 2) == "::")) {
      at_ += text_[at_] == ':' ? 2 : 1;
    }
    return take(WordKind::kDot);
  }
  if (c == '"') {
    const std::size_t end = text_.find_first_of("\"\n", at_ + 1);
    const bool closed = end != std::string_view::npos && text_[end] == '"';
    at_ = closed ? end + 1 : text_.size();
    return take(closed ? WordKind::kText : WordKind::kBad);
  }
  ++at_;
  constexpr std::string_view kSigns = ",;:(){}[]<>=+-!@|&*/~^?";
  take(kSigns.find(c) == std::string_view::npos ? WordKind::kBad : WordKind::kSign);
}

void Lexer::SkipLine() {
  at_ = std::min(text_.find('\n', at_), text_.size());
  Next();
}

}  // namespace tranche::sim::ptx
