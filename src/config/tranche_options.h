// Decodes and checks the `tranche:` key of a config (docs/configuration.md). Its keys match in
// exact case.
//
// Threading: a plain function, safe on any thread.
// Errors: a wrong value is a finding that is an error, with its line; `out` is then not to be used.
// An unknown key is a warning.
#pragma once

#include <vector>

#include "config/load.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Node;

// The messages start with the path, "tranche.memory.limit: …". Resources that share nothing in
// `time_slicing` are warned about; null where the file does not say what is shared.
void DecodeTranche(const Node& node, const TimeSlicing* time_slicing, TrancheOptions& out,
                   std::vector<Diagnostic>& findings);

}  // namespace tranche::config
