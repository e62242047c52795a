// What a workload's processes did, for people and for programs.
//
// Threading: plain functions of their arguments, safe on any thread.
// Errors: none.
#pragma once

#include <string>
#include <vector>

#include "sim/workloads/outcome.h"
#include "sim/workloads/settings.h"

namespace tranche::sim::workloads {

using Outcomes = std::vector<const Outcome*>;

[[nodiscard]] std::string TextReport(const Settings& settings, const Outcomes& outcomes);
[[nodiscard]] std::string JsonReport(const Settings& settings, const Outcomes& outcomes);

// The share of its time for which the process was late, 0 to 1.
[[nodiscard]] double LateShare(const Outcome& outcome);

}  // namespace tranche::sim::workloads
