// What the node program does in a pod's counters when a program ends, for the node program of tests
// (tests/shim/arbiter.py).
#include "wire/shares.h"

extern "C" {

void tranche_test_leave(void* page, unsigned slot) {
  auto& counters = *static_cast<tranche::wire::Counters*>(page);
  tranche::wire::LeaveShares(counters, slot);
  for (unsigned device = 0; device < tranche::wire::kMaxDevices; ++device) {
    tranche::wire::Reclaim(counters, slot, device);
    tranche::wire::SweepOrphans(counters, device);
  }
}

// What it would do if nothing were shared.
void tranche_test_reclaim_only(void* page, unsigned slot) {
  tranche::wire::Reclaim(*static_cast<tranche::wire::Counters*>(page), slot, 0);
}

void tranche_test_sweep(void* page, unsigned device) {
  tranche::wire::SweepOrphans(*static_cast<tranche::wire::Counters*>(page), device);
}

}  // extern "C"
