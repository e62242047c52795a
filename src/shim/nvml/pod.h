// What this program sees of its pod: the two pages, for looking only. It has no slot in them.
//
// The node program is asked at the first call that needs to know, for a second at most, and again
// at a later call once two seconds have passed, for 100 ms at most: pages are made anew when the
// node program has been replaced or the pod's programs have all ended, and who looks is not told.
// Where nobody answers, what was known stands.
//
// Threading: any thread. One thread asks; the others go on with what stands, and wait only where
// nothing has been answered yet.
// Errors: null where there are no walls, or nothing is known of any.
#pragma once

#include "shim/guest/pages.h"

namespace tranche::shim::nvml {

const guest::Pages* PodPages();

}  // namespace tranche::shim::nvml
