// The library of the driver's in front of which one of ours stands: the one that ours names as
// DT_NEEDED.
//
// It is looked for in that file itself, so that neither our own exports nor those of another
// library that a program has preloaded are found in their place.
//
// Threading: any thread; nothing is locked.
// Errors: null where it cannot be told.
#pragma once

namespace tranche::shim::guest {

// The path of the real library: `inside` is any address in ours, and `plain` the name of a function
// that the real one has and ours has not.
const char* RealPath(const void* inside, const char* plain);

// Its handle for dlsym.
void* RealLibrary(const void* inside, const char* plain);

}  // namespace tranche::shim::guest
