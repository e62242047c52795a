// Decodes a Tree into a FileModel as upstream does, with upstream's error texts and order of
// errors.
//
// Threading: a plain function, safe on any thread.
// Errors: a Failure with the place in the text. Unknown keys are passed over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/file_model.h"

namespace tranche::config {

using yaml::Failure;
using yaml::Node;

struct Decoded {
  FileModel model;
  std::vector<Diagnostic> not_honoured;  // upstream's "not yet supported" texts
};

// The failure's message is what stands after "error parsing config file: ". `out` keeps what was
// found until then. The key `tranche` is not looked at.
std::optional<Failure> DecodeConfig(const Node& root, Decoded& out);

}  // namespace tranche::config
