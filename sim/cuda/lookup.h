// What the parts of the simulated libcuda.so.1 that look functions up ask of its core, and what
// they offer to it. The core defines the hooks.
//
// Threading: safe on any thread.
// Errors: none.
#pragma once

#include <cstdint>

#include "sim/cuda/abi.h"

namespace tranche::sim::cuda {

extern const unsigned kLibraryVersion;  // of CUDA: 12020, 12040, 13050

// Hooks of the core.
bool Initialised();                   // cuInit has succeeded in this process
void CountMissing(const char* call);  // a call that the simulation does not have was made
Result SimClock(std::uint64_t* epoch_ns, unsigned* time_scale);  // see sim/cuda/export_table.h

struct FoundExport {
  ProcAddressStatus status = kProcAddressNotFound;
  void* function = nullptr;
};
// What this version of the library has under a base name for `version` and the flags of
// cuGetProcAddress.
FoundExport FindExport(const char* name, unsigned version, std::uint64_t flags);

// The answer of a function that is exported but not simulated.
Result Missing(const char* call);

}  // namespace tranche::sim::cuda
