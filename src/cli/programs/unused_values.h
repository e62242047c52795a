// The values of a Helm release that its chart does not honour. Whoever installs by GitOps sees no
// notes of Helm, so the chart hands such keys to the program, which warns of them.
//
// The chart says {"unused": [PATH, …], "known": [PATH, …]}: the keys without effect, such as
// devicePlugin.confg, and those that it honours beside them.
//
// Threading: plain functions, safe on any thread.
// Errors: none; text that is something else gives a warning that says so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/common/flag_table.h"

namespace tranche::cli::programs {

// --unused-values, TRANCHE_UNUSED_VALUES.
common::FlagSpec UnusedValuesFlag();

// One line for each key that looks like a misspelt one, and one for all the others. "": none.
std::vector<std::string> UnusedValueWarnings(std::string_view text);

// The same, written to the log too.
std::vector<std::string> WarnOfUnusedValues(std::string_view text);

}  // namespace tranche::cli::programs
