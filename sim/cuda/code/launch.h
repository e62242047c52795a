// Launches: what is asked of a kernel, checked, and made into work for a stream.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes, in the order in which cuLaunchKernel checks.
#pragma once

#include "sim/cuda/abi.h"
#include "sim/cuda/node.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

// What a launch has beside the parameters of a node.
struct LaunchTraits {
  bool cooperative = false;  // all blocks must run at once
  unsigned cluster[3] = {1, 1, 1};
};

// kInvalidValue where an attribute is none, or its value cannot be.
Result TraitsOf(const LaunchConfig& config, LaunchTraits* traits);

Result MakeKernelOperation(ContextObject& context, const KernelNodeParams& parameters,
                           const LaunchTraits& traits, Operation* operation);
Result LaunchKernel(StreamObject& stream, const KernelNodeParams& parameters,
                    const LaunchTraits& traits);

}  // namespace tranche::sim::cuda
