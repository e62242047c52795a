// The text of a YAML document before a library reads it, and how what is wrong with it is said.
//
// Threading: plain functions, safe on any thread.
// Errors: a Failure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/yaml/node.h"

namespace tranche::config::yaml {

// What may stand within one bracket, which the library reads to its end before it says anything.
inline constexpr int kMaxBracketParts = 20'000;

// sigs.k8s.io/yaml has two stages before decoding and says of both that the conversion failed.
[[nodiscard]] Failure ConversionFailure(Mark mark, std::string message);
[[nodiscard]] Failure YamlFailure(Mark mark, const std::string& message);
// A limit of ours, of which upstream's library knows nothing.
[[nodiscard]] Failure LimitFailure(Mark mark, std::string message);

// The text with every line break of YAML 1.1 (CR, CR LF, NEL, LS, PS) as LF: the library knows only
// two of them. Refuses what YAML does not allow and the library takes, and what would take the
// library more memory than the text is worth.
std::optional<Failure> CleanYaml(std::string_view text, std::string& out);

}  // namespace tranche::config::yaml
