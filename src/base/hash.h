// FNV-1a, a short hash that is the same on every machine and in every release
// (http://www.isthe.com/chongo/tech/comp/fnv/). It tells texts apart, and protects nothing.
//
// Threading: a plain function, safe on any thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace tranche::base {

inline constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325ULL;

// The hash of `text`, going on from that of what stands before it.
[[nodiscard]] constexpr std::uint64_t Fnv1a(std::string_view text, std::uint64_t hash = kFnvStart) {
  constexpr std::uint64_t kPrime = 0x100000001b3ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= kPrime;
  }
  return hash;
}

}  // namespace tranche::base
