// The list of the functions of libcuda.so.1 whose types are declared here, each exported name once:
// those that the simulated library has or is likely to get. Its definitions, programs that call
// them and the test against the real cuda.h are all made from it. What else is exported is named in
// sim/cuda/exports/exports.def alone. Types are in sim/cuda/abi.h; expand the list inside namespace
// tranche::sim::cuda or after a using-directive for it.
//
//     #define PLAIN(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
//     #define TWICE(name, per_thread, ...) PLAIN(name, __VA_ARGS__) PLAIN(per_thread, __VA_ARGS__)
//     struct Table { TRANCHE_CUDA_FUNCTIONS(PLAIN, TWICE) };
//
// Threading: macros only. The library itself is thread-safe.
// Errors: a driver has only the functions of its version. Look each up by dlsym.
#pragma once

#include "sim/cuda/abi.h"
#include "sim/cuda/abi/functions_device.h"
#include "sim/cuda/abi/functions_graph.h"
#include "sim/cuda/abi/functions_memory.h"
#include "sim/cuda/abi/functions_work.h"

// X(name, type); T(name, name for the per-thread default stream, type).
#define TRANCHE_CUDA_FUNCTIONS(X, T)  \
  TRANCHE_CUDA_DEVICE_FUNCTIONS(X, T) \
  TRANCHE_CUDA_MEMORY_FUNCTIONS(X, T) \
  TRANCHE_CUDA_WORK_FUNCTIONS(X, T)   \
  TRANCHE_CUDA_GRAPH_FUNCTIONS(X, T)
