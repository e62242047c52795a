// What tranche-hook does at a container's birth, from what the runtime says to the report.
//
// Threading: one thread.
// Errors: in the report; the container starts whatever came of it.
#pragma once

#include <cstddef>

#include "hook/memory.h"
#include "hook/report.h"

namespace tranche::hook {

// Reads the state from `input`, finds the container's root, and covers its libraries with shims of
// the folder `shims`. `report` is filled in step by step, so that it tells something also when
// this was cut off.
void CoverLibraries(int input, const Descriptor& shims, Report* report);

}  // namespace tranche::hook
