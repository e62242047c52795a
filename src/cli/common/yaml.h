// Writes JSON as YAML, as `kubectl … -o yaml` would.
//
// Threading: a plain function, safe on any thread.
// Errors: none.
#pragma once

#include <string>

#include "base/json.h"

namespace tranche::cli::common {

// A string that would read as something else is quoted. Ends with a line's end.
std::string ToYaml(const base::Json& json);

}  // namespace tranche::cli::common
