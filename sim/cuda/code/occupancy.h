// How much of a multiprocessor a function's blocks take, and so how many run on it at once.
//
// What a multiprocessor has are attributes of the device. Registers are given to warps in pieces of
// kRegisterPiece; a function from PTX text, of which no compiler has counted the registers, counts
// as one with kAssumedRegisters for each thread.
//
// Threading: under the process's lock.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/cuda/code/modules.h"

namespace tranche::sim::cuda {

inline constexpr std::uint64_t kRegisterPiece = 256;
inline constexpr std::uint32_t kAssumedRegisters = 32;

const DeviceObject& DeviceOf(const FunctionObject& function);
// An attribute of its device that every device has.
std::uint64_t LimitOf(const FunctionObject& function, DeviceAttribute attribute);
std::uint32_t RegistersOf(const FunctionObject& function);
// Threads of a block that the function can have at most.
std::uint64_t MaxThreadsOf(const FunctionObject& function);
// Bytes of shared memory that a launch may add at most.
std::uint64_t MaxDynamicSharedOf(const FunctionObject& function);

// Blocks of `threads` on a multiprocessor at once.
std::uint64_t ActiveBlocks(const FunctionObject& function, std::uint64_t threads,
                           std::uint64_t dynamic_shared);

}  // namespace tranche::sim::cuda
