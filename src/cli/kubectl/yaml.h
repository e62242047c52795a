// JSON written as YAML, as `kubectl … -o yaml` would. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace tranche::cli::kubectl {

// A string that would read as something else is quoted. Ends with a line's end.
std::string ToYaml(const base::Json& json);

}  // namespace tranche::cli::kubectl
