// Decodes a Tree into a FileModel as upstream does, with upstream's error texts and order of
// errors.
//
// Threading: a plain function, safe on any thread.
// Errors: a Failure with the place in the text; unknown and duplicate keys are diagnostics.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/file_model.h"

namespace tranche::config {

struct Decoded {
  FileModel model;
  std::vector<Diagnostic> diagnostics;   // unknown keys, duplicate keys
  std::vector<Diagnostic> not_honoured;  // upstream's "not yet supported" texts
};

// The failure's message is what stands after "error parsing config file: ". `out` keeps what was
// found until then. `out.model.tranche` points into `tree`.
std::optional<Failure> DecodeConfig(const Node& root, Decoded& out);

}  // namespace tranche::config
