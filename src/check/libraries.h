// Which libcuda a program of this container gets, under each name, and whether a shim stands there.
//
// Threading: plain functions of one thread.
// Errors: Found::why says why something is not walled.
#pragma once

#include <string_view>

#include "hook/root.h"
#include "hook/text.h"

namespace tranche::check {

struct Found {
  hook::Line<255> name;  // as a program asks for it: a name alone, or a path
  hook::Path file;       // what it gets, links followed; "" where there is nothing
  bool shim = false;
  hook::Path real;       // what the shim stands in front of
  std::string_view why;  // a sentence, where this is no shim
};

using Libraries = hook::List<Found, 52>;

// First libcuda.so.1 and libcuda.so as the dynamic linker finds them, then each file of that name
// in the folders in which programs look.
void FindLibraries(const hook::Root& root, std::string_view library_path, Libraries* libraries);

}  // namespace tranche::check
