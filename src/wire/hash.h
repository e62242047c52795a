// A hash of bytes that differ: FNV-1a, of 64 bits. It keeps nothing secret from who can guess the
// bytes.
//
// Threading: a plain function.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tranche::wire {

inline std::uint64_t HashOf(const void* bytes, std::size_t size) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (std::size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001B3U;
  }
  return hash;
}

}  // namespace tranche::wire
