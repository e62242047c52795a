// The processes of a workload: one, or several forked before CUDA begins, which start together.
//
// Threading: one thread in each process.
// Errors: a process that does not get so far says why in its outcome.
#pragma once

#include <functional>

#include "sim/workloads/report.h"
#include "sim/workloads/session.h"
#include "sim/workloads/settings.h"

namespace tranche::sim::workloads {

struct CrewMember {
  std::function<bool(Session&)> prepare;  // before all begin; false: it does not take part
  std::function<void(Session&)> run;
};

// Gives the outcomes of all when they have ended; they stay valid. None: there is no memory or no
// process to be had.
Outcomes RunCrew(const Settings& settings, const CrewMember& member);

}  // namespace tranche::sim::workloads
