// The MIG device in which a process runs.
//
// Threading: plain function.
// Errors: none.
#pragma once

#include "gpu/device.h"
#include "gpu/usage.h"

namespace tranche::gpu {

// nullptr where the process runs in none of them. A driver may report the GPU instance alone.
inline const MigDevice* MigOf(const Gpu& gpu, const RunningProcess& process) {
  if (!process.gpu_instance) return nullptr;
  for (const MigDevice& mig : gpu.mig_devices) {
    if (mig.gpu_instance == process.gpu_instance &&
        (!process.compute_instance || mig.compute_instance == process.compute_instance)) {
      return &mig;
    }
  }
  return nullptr;
}

}  // namespace tranche::gpu
