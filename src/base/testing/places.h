// Where tests find the tree they were built from, and what was built of it. All paths are absolute.
#pragma once

namespace tranche::base::testing {

extern const char* const kSourceDir;   // the root of the tree
extern const char* const kProgramDir;  // what is shipped: `tranche` and its other names
extern const char* const kSimHome;     // the files of a simulated driver, for sim::SimHome

}  // namespace tranche::base::testing
