// The program's version, from the build.
#pragma once

#include <string>

namespace tranche::cli::common {

inline constexpr char kVersion[] = TRANCHE_VERSION;
inline std::string VersionLine() { return std::string("tranche ") + kVersion; }

}  // namespace tranche::cli::common
