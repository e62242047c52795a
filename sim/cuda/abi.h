// The part of the binary interface of libcuda.so.1 that the simulated library has: types and
// values. The declarations are our own, so that building needs no NVIDIA header;
// tests/cuda/cuda_abi_check.cc compares every one of them with the real cuda.h of CUDA 12.4 and
// 13.5. Values and layouts are those of NVIDIA's "CUDA Driver API" reference.
//
// The functions and their types are in sim/cuda/functions.h. Handles are opaque to programs; what
// they point to is defined inside the library.
//
// Threading: plain data. The library itself is thread-safe.
// Errors: every function returns a Result.
#pragma once

#include "sim/cuda/abi/memory.h"
#include "sim/cuda/abi/types.h"
#include "sim/cuda/abi/work.h"
