// The program's version, which the build sets.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <string>

namespace tranche::cli::common {

inline constexpr char kVersion[] = TRANCHE_VERSION;
inline std::string VersionLine() { return std::string("tranche ") + kVersion; }

}  // namespace tranche::cli::common
