// Decodes and checks the `tranche:` key of a config (docs/configuration.md). Its keys match in
// exact case.
//
// Threading: a plain function, safe on any thread.
// Errors: a wrong value is a Failure with its line; an unknown key is a warning.
#pragma once

#include <optional>
#include <vector>

#include "config/node.h"

namespace tranche::config {

// The failure's message starts with the path, "tranche.memory.limit: …". Resources that share
// nothing in `time_slicing` are warned about.
std::optional<Failure> DecodeTranche(const Node& node, const TimeSlicing& time_slicing,
                                     TrancheOptions& out, std::vector<Diagnostic>& warnings);

}  // namespace tranche::config
