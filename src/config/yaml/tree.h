// Parses the first document of a YAML (or JSON) text into a Tree.
//
// Limits apply before anything recurses: kMaxTextBytes of text, 64 levels, and 1,000,000 nodes
// after aliases and merge keys are expanded. Memory is bounded by the size of the text, about 16
// bytes for each of its own: a text may have kFewNodes values, or one in kBytesPerNode bytes where
// that is more, and kMaxBracketParts (text.h) commas, colons and brackets within one bracket,
// which the library reads to its end before it says anything. Of duplicate keys the last one wins,
// with a diagnostic.
//
// Threading: a plain function, safe on any thread.
// Errors: a Failure; nothing throws.
#pragma once

#include <optional>
#include <string_view>

#include "config/yaml/node.h"

namespace tranche::config::yaml {

inline constexpr std::size_t kMaxTextBytes = 1U << 20U;  // a ConfigMap holds no more
inline constexpr int kMaxDepth = 64;
inline constexpr std::uint64_t kMaxNodes = 1'000'000;
inline constexpr std::size_t kFewNodes = 10'000;
inline constexpr std::size_t kBytesPerNode = 24;

// Fills `tree`, or says why not; the message is what stands after "unmarshal error: ".
std::optional<Failure> ParseYaml(std::string_view text, Tree& tree);

}  // namespace tranche::config::yaml
