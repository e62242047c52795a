// The workloads that compute: what they do from the begin of a session until it is over.
//
// Threading: one thread.
// Errors: they end early where a call fails; the session's outcome says which.
#pragma once

#include "sim/workloads/session.h"

namespace tranche::sim::workloads {

void RunStreams(Session& session);
void RunPaced(Session& session);
void RunRequests(Session& session);
void RunGraphs(Session& session);

}  // namespace tranche::sim::workloads
