// Reads the SONAME of a shared library, the name by which programs ask the dynamic linker for it.
//
// It reads a few bounded pieces of the file, never the whole. Format: System V ABI, "Object Files"
// and "Dynamic Linking" (https://gabi.xinuos.com/). Only 64-bit files of this machine's byte order
// are read, which is all that a driver for this machine has.
//
// Threading: a plain function, safe on any thread.
// Errors: kInvalidArgument for a file of another format, or a Status for one that cannot be read.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::cdi {

// "" for a file without one (no dynamic section, or none in it). kInvalidArgument: not such a file.
base::Result<std::string> ReadSoname(const std::string& path);

}  // namespace tranche::cdi
