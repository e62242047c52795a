// The SONAME of a shared library: the name by which programs ask the dynamic linker for it.
//
// Reads a few bounded pieces of the file, never the whole. Format: System V ABI, "Object Files" and
// "Dynamic Linking" (https://gabi.xinuos.com/); 64-bit files of this machine's byte order only,
// which is all that a driver for this machine has.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::cdi {

// "" for a file without one (no dynamic section, or none in it). kInvalidArgument: not such a file.
base::Result<std::string> ReadSoname(const std::string& path);

}  // namespace tranche::cdi
