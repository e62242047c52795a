// The workload that computes something whose result is known, and compares what comes back.
//
// Threading: one thread.
// Errors: a difference is the outcome's `failed`, as a call that fails is.
#pragma once

#include "sim/workloads/session.h"

namespace tranche::sim::workloads {

// Arrays of --memory bytes each: filled by a kernel, added to one copied from the host, copied by a
// kernel and copied back, until the session is over.
void RunCheck(Session& session);

}  // namespace tranche::sim::workloads
