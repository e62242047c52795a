// The `tranche:` key of a config, decoded and checked (docs/configuration.md). Keys in exact case;
// a wrong value is an error with its line, an unknown key a warning. Pure; safe from any thread.
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
