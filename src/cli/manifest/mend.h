// Mends manifests whose form is broken and whose meaning is plain: a ConfigMap whose indentation
// was lost on the way from a web page, one whose value is a mapping instead of a text, and one
// whose text is folded.
//
// Threading: pure; any thread.
// Errors: nothing where nothing is broken, or where more than one mend would be possible.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tranche::cli::manifest {

// The whole file, mended.
std::optional<std::string> Mend(std::string_view file);

}  // namespace tranche::cli::manifest
