// Sharing configs in what a person has at hand: a bare file, a ConfigMap manifest (alone, in a List
// or among other documents), or a bare `data:` fragment of one. Line numbers stay those of the
// file.
//
// Threading: pure; any thread.
// Errors: what holds no config is not found; a config's own mistakes are for whoever reads it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::cli::node {

struct FoundProfile {
  std::string name;  // key in the ConfigMap, "" for a bare config
  std::string text;
  int line = 0;        // where it starts
  int first_line = 1;  // of the text
  int indent = 0;      // columns that were taken off its left
};

// What a file may hold; memory and time are bounded by it.
inline constexpr std::size_t kMaxProfiles = 1000;

// None where no document is or holds a sharing config. kInvalidArgument (with " (SOURCE:LINE)")
// where the text is no YAML, kOutOfRange where it holds more than kMaxProfiles.
base::Result<std::vector<FoundProfile>> FindProfiles(std::string_view text,
                                                     const std::string& source);

}  // namespace tranche::cli::node
