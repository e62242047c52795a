// The declarations of the functions of sim/cuda/functions.h: each file that defines one includes
// this, so that a definition that differs from the list does not compile.
//
// Threading: safe on any thread.
// Errors: see sim/cuda/abi.h.
#pragma once

#include "sim/cuda/functions.h"

namespace tranche::sim::cuda {

#define TRANCHE_CUDA_DECLARE(name, ...) \
  using name##Type = __VA_ARGS__;       \
  extern "C" name##Type name;
#define TRANCHE_CUDA_DECLARE_TWICE(name, per_thread, ...) \
  TRANCHE_CUDA_DECLARE(name, __VA_ARGS__)                 \
  TRANCHE_CUDA_DECLARE(per_thread, __VA_ARGS__)
TRANCHE_CUDA_FUNCTIONS(TRANCHE_CUDA_DECLARE, TRANCHE_CUDA_DECLARE_TWICE)
#undef TRANCHE_CUDA_DECLARE
#undef TRANCHE_CUDA_DECLARE_TWICE

}  // namespace tranche::sim::cuda
