// The UUID of a device, read from the text that the driver makes of it.
//
// Threading: plain functions.
// Errors: false for what is none.
#pragma once

#include <cstddef>

#include "wire/message.h"

namespace tranche::wire {

inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "GPU-6d2f1d4e-5c0f-…" or "MIG-6d2f1d4e-5c0f-…", in either case of letters, and nothing after it.
inline bool ParseUuid(const char* text, std::size_t length, Uuid* uuid) {
  constexpr std::size_t kPrefix = 4;
  constexpr std::size_t kLength = 36;
  if (length != kPrefix + kLength || text[3] != '-') return false;
  const bool gpu = text[0] == 'G' && text[1] == 'P' && text[2] == 'U';
  const bool mig = text[0] == 'M' && text[1] == 'I' && text[2] == 'G';
  if (!gpu && !mig) return false;
  text += kPrefix;
  std::size_t byte = 0;
  for (std::size_t i = 0; i < kLength;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return false;
      continue;
    }
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    uuid->bytes[byte++] = static_cast<std::uint8_t>(high << 4 | low);
    i += 2;
  }
  return true;
}

}  // namespace tranche::wire
