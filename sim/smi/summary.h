// The table that nvidia-smi shows by itself, and the list of -L.
//
// Threading: one thread.
// Errors: the exit code for the program. A value that a GPU has not is N/A.
#pragma once

#include <string>

#include "sim/smi/library.h"

namespace tranche::sim::smi {

int PrintSummary(const Table& table, const std::string& only);
int PrintList(const Table& table, const std::string& only);

}  // namespace tranche::sim::smi
