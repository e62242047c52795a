// ParsePtx reads a module of PTX text.
//
// Of what is valid PTX it understands the declarations; of the instructions it knows which there
// are, and understands those that can be interpreted. A kernel that has others comes without code.
//
// Threading: safe on any thread.
// Errors: a text that is no PTX gives an error with its line, as ptxas would word it.
#pragma once

#include <string>
#include <string_view>

#include "sim/ptx/image.h"

namespace tranche::sim::ptx {

struct Parsed {
  Image image;
  std::string error;  // empty: none
  int line = 0;
};

Parsed ParsePtx(std::string_view text);

}  // namespace tranche::sim::ptx
