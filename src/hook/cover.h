// What tranche-hook does at a container's birth, from what the runtime says to the report.
//
// Threading: one thread.
// Errors: in the report; the container starts whatever came of it.
#pragma once

#include <string_view>

#include "hook/memory.h"
#include "hook/report.h"

namespace tranche::hook {

// On the host.
struct Folders {
  Descriptor shims;
  const char* walls;  // the folder of the arbiter's socket; null where the runtime mounts both
};

// Where the container has them.
inline constexpr std::string_view kShimsInside = "/run/tranche/shim";
inline constexpr std::string_view kWallsInside = "/run/tranche/walls";

// Reads the state from `input`, finds the container's root, brings both folders into it, and covers
// its libraries with shims. `report` is filled in step by step, so that it tells something also
// when this was cut off.
void CoverLibraries(int input, const Folders& folders, Report* report);

}  // namespace tranche::hook
