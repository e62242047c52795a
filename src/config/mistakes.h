// Finds every mistake of a config file at once, in words for whoever wrote it: what is wrong,
// where, and what to write instead.
//
// Whether a config can be used is decided where it is decoded, which stops at the first error as
// upstream does. Here nothing is decided: the file is looked through once more, to the end.
//
// Threading: plain functions, safe on any thread.
// Errors: none; what is wrong is the answer.
#pragma once

#include <vector>

#include "config/load.h"
#include "config/yaml/node.h"

namespace tranche::config {

using yaml::Node;

// At most kMaxMistakes. What becomes of each of them its severity says.
std::vector<Diagnostic> FindMistakes(const Node& root);

}  // namespace tranche::config
