// What single instructions compute, on the slots of one thread.
//
// Threading: safe on any thread.
// Errors: none. A division of integers by zero gives all ones, as on the hardware.
#pragma once

#include <cstdint>

#include "sim/ptx/code.h"

namespace tranche::sim::ptx {

// The low bits of `value` as a number of `type`, in 64 bits.
std::uint64_t Extend(Type type, std::uint64_t value);

// For every Op that reads and writes slots only.
void Compute(const Instruction& instruction, std::uint64_t* frame);

// What memory that holds `value` holds after an atomic operation with b and c.
std::uint64_t ComputeAtomic(const Instruction& instruction, std::uint64_t value, std::uint64_t b,
                            std::uint64_t c);

}  // namespace tranche::sim::ptx
