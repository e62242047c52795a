// The two pages of a pod (wire/pages.h) as the node program gave them to this program, mapped.
//
// Only pages are taken that nobody can shrink under their reader, and that are of our version.
//
// Threading: any thread.
// Errors: MapPages is false, and nothing is mapped, where they are not what they should be.
#pragma once

#include "wire/pages.h"

namespace tranche::shim::guest {

struct Pages {
  const wire::Limits* limits;
  wire::Counters* counters;  // not to be written where it was mapped for looking
};

enum class Purpose {
  kCount,  // charge the pod for what this program takes
  kLook,   // look only
};

// From the descriptors that came with an answer, which stay the caller's. A forked child has none
// of it: it asks for itself.
bool MapPages(const int (&descriptors)[2], Purpose purpose, Pages* pages);
void UnmapPages(const Pages& pages);

}  // namespace tranche::shim::guest
