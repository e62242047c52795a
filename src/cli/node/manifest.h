// Sharing configs in what a person has at hand: a bare file, a ConfigMap manifest (alone, in a List
// or among other documents), or a bare `data:` fragment of one. Line numbers stay those of the
// file.
//
// Threading: pure; any thread.
// Errors: what holds no config is not found; a config's own mistakes are for whoever reads it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::cli::node {

struct FoundProfile {
  std::string name;  // key in the ConfigMap, "" for a bare config
  std::string text;  // preceded by as many empty lines as it stands below the file's first
  int line = 0;      // where it starts
  int indent = 0;    // columns that were taken off its left
};

// None where no document is or holds a sharing config. kInvalidArgument (with " (SOURCE:LINE)")
// where the text is no YAML.
base::Result<std::vector<FoundProfile>> FindProfiles(std::string_view text,
                                                     const std::string& source);

}  // namespace tranche::cli::node
