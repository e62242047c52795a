// Numbers in slots, and the operations between numbers of different types, for arithmetic.cc.
//
// Threading: safe on any thread.
// Errors: none.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "sim/ptx/arithmetic.h"

namespace tranche::sim::ptx {

inline bool IsSigned(Type type) {
  return type == Type::kS8 || type == Type::kS16 || type == Type::kS32 || type == Type::kS64;
}
inline bool IsReal(Type type) { return type == Type::kF32 || type == Type::kF64; }
inline unsigned BitsOf(Type type) { return SizeOf(type) * 8; }
inline std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
inline std::uint64_t Unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// Numbers of both sizes are computed in their own precision.
template <typename Real>
struct Slot;
template <>
struct Slot<float> {
  static float Get(std::uint64_t slot) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(slot));
  }
  static std::uint64_t Put(float value) { return std::bit_cast<std::uint32_t>(value); }
};
template <>
struct Slot<double> {
  static double Get(std::uint64_t slot) { return std::bit_cast<double>(slot); }
  static std::uint64_t Put(double value) { return std::bit_cast<std::uint64_t>(value); }
};

template <typename Real>
Real Flush(bool flush, Real value) {
  return flush && std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(Real{0}, value) : value;
}

// A number of a type narrower than 64 bits, no less and no more than that type has.
std::uint64_t Saturate(Type type, std::int64_t value);

// kCompare and kSet.
void ComputeComparison(const Instruction& instruction, std::uint64_t* frame);
void ComputeConversion(const Instruction& instruction, std::uint64_t* frame);

}  // namespace tranche::sim::ptx
