// How gRPC's locks are set for all of this program.
//
// Threading: any thread, before gRPC's first use.
// Errors: none.
#pragma once

namespace tranche::kubelet {

// The distribution builds gRPC's locks (absl::Mutex) with their search for deadlocks, which notes
// in a graph of all locks which one is taken while which other is held. It is meant for tests, and
// was a quarter of what the agent computed for a request of the kubelet. Switches it off; again has
// no effect.
void UseGrpcLocksPlainly();

}  // namespace tranche::kubelet
