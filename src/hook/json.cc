#include "hook/json.h"

#include <cstdint>

namespace tranche::hook {
namespace {

int HexDigit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

// The UTF-8 of a UTF-16 unit takes three bytes at most, and "\uXXXX" has six. A pair of surrogates
// comes out as two units of three bytes, which no path of ours has.
char* AppendUtf8(char* to, std::uint32_t unit) {
  if (unit < 0x80) {
    *to++ = static_cast<char>(unit);
  } else if (unit < 0x800) {
    *to++ = static_cast<char>(0xC0U | unit >> 6U);
    *to++ = static_cast<char>(0x80U | (unit & 0x3FU));
  } else {
    *to++ = static_cast<char>(0xE0U | unit >> 12U);
    *to++ = static_cast<char>(0x80U | (unit >> 6U & 0x3FU));
    *to++ = static_cast<char>(0x80U | (unit & 0x3FU));
  }
  return to;
}

}  // namespace

void JsonReader::Break() {
  broken_ = true;
  at_ = end_;
}

void JsonReader::SkipSpace() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
}

bool JsonReader::Enter(char bracket) {
  SkipSpace();
  if (at_ < end_ && *at_ == bracket) {
    ++at_;
    return true;
  }
  Skip();
  return false;
}

bool JsonReader::Next(char bracket) {
  SkipSpace();
  if (at_ < end_ && *at_ == ',') {
    ++at_;
    SkipSpace();
  }
  if (at_ == end_) {
    Break();
    return false;
  }
  if (*at_ != bracket) return true;
  ++at_;
  return false;
}

bool JsonReader::NextMember(std::string_view* name) {
  if (!Next('}')) return false;
  if (*at_ != '"' || !Decode(name)) {
    Break();
    return false;
  }
  SkipSpace();
  if (at_ == end_ || *at_ != ':') {
    Break();
    return false;
  }
  ++at_;
  return true;
}

bool JsonReader::NextElement() { return Next(']'); }

bool JsonReader::ReadString(std::string_view* value) {
  SkipSpace();
  if (at_ < end_ && *at_ == '"') return Decode(value);
  Skip();
  return false;
}

bool JsonReader::DecodeEscape(char** to) {
  ++at_;  // the backslash
  if (at_ == end_) return false;
  const char kind = *at_++;
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  if (const std::size_t i = kNames.find(kind); i != std::string_view::npos) {
    *(*to)++ = kMeant[i];
    return true;
  }
  if (kind != 'u' || end_ - at_ < 4) return false;
  std::uint32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = HexDigit(*at_++);
    if (digit < 0) return false;
    unit = unit * 16 + static_cast<std::uint32_t>(digit);
  }
  *to = AppendUtf8(*to, unit);
  return true;
}

bool JsonReader::Decode(std::string_view* value) {
  ++at_;  // the quote
  char* const begin = at_;
  char* to = begin;
  while (at_ < end_ && *at_ != '"') {
    if (*at_ != '\\') {
      *to++ = *at_++;
    } else if (!DecodeEscape(&to)) {
      Break();
      return false;
    }
  }
  if (at_ == end_) {
    Break();
    return false;
  }
  ++at_;
  *value = {begin, static_cast<std::size_t>(to - begin)};
  return true;
}

void JsonReader::SkipString() {
  for (++at_; at_ < end_ && *at_ != '"'; ++at_) {
    if (*at_ == '\\' && end_ - at_ > 1) ++at_;
  }
  if (at_ == end_) return Break();
  ++at_;
}

void JsonReader::Skip() {
  std::size_t depth = 0;
  do {
    SkipSpace();
    if (at_ == end_) return Break();
    switch (*at_) {
      case '"':
        SkipString();
        break;
      case '{':
      case '[':
        ++depth;
        ++at_;
        break;
      case '}':
      case ']':
        if (depth == 0) return Break();  // a value was to come
        --depth;
        ++at_;
        break;
      case ',':
      case ':':
        if (depth == 0) return Break();
        ++at_;
        break;
      default:
        while (at_ < end_ &&
               std::string_view(" \t\r\n,:]}[{\"").find(*at_) == std::string_view::npos) {
          ++at_;
        }
    }
  } while (depth > 0);
}

}  // namespace tranche::hook
