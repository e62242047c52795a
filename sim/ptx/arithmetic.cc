#include "sim/ptx/arithmetic.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "sim/ptx/arithmetic_numbers.h"

namespace tranche::sim::ptx {
namespace {

// The smaller or larger one; a number rather than a NaN.
template <typename Real>
Real Less(Real a, Real b) {
  if (std::isnan(a)) return b;
  if (std::isnan(b)) return a;
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <typename Real>
Real More(Real a, Real b) {
  return -Less(-a, -b);
}

template <typename Real>
Real RealResult(Op op, Real a, Real b, Real c) {
  switch (op) {
    case Op::kAdd:
      return a + b;
    case Op::kSub:
      return a - b;
    case Op::kMulLow:
      return a * b;
    case Op::kFma:
      return std::fma(a, b, c);
    case Op::kDiv:
      return a / b;
    case Op::kMin:
      return Less(a, b);
    case Op::kMax:
      return std::isnan(a) ? b : std::isnan(b) ? a : More(a, b);
    case Op::kAbs:
      return std::abs(a);
    case Op::kNeg:
      return -a;
    case Op::kSqrt:
      return std::sqrt(a);
    case Op::kRsqrt:
      return Real{1} / std::sqrt(a);
    case Op::kRcp:
      return Real{1} / a;
    case Op::kSin:
      return std::sin(a);
    case Op::kCos:
      return std::cos(a);
    case Op::kEx2:
      return std::exp2(a);
    case Op::kLg2:
      return std::log2(a);
    default:
      return a;
  }
}

template <typename Real>
void ComputeReal(const Instruction& in, std::uint64_t* frame) {
  const auto get = [&](std::uint32_t slot) {
    return slot == kNoSlot ? Real{0} : Flush(in.flush, Slot<Real>::Get(frame[slot]));
  };
  Real result = RealResult(in.op, get(in.a), get(in.b), get(in.c));
  if (in.saturate) {
    result = std::isnan(result) ? Real{0} : std::clamp(result, Real{0}, Real{1});
  }
  frame[in.d] = Slot<Real>::Put(Flush(in.flush, result));
}

std::uint64_t MulHigh(Type type, std::uint64_t a, std::uint64_t b) {
  const unsigned bits = BitsOf(type);
  if (bits < 64) {
    return IsSigned(type) ? Unsigned(Signed(a * b) >> bits) : (a * b) >> bits;
  }
  __extension__ using Wide = unsigned __int128;
  auto high = static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64U);
  if (IsSigned(type) && Signed(a) < 0) high -= b;
  if (IsSigned(type) && Signed(b) < 0) high -= a;
  return high;
}

enum class Division { kQuotient, kRest };
std::uint64_t Divide(Type type, std::uint64_t a, std::uint64_t b, Division wanted) {
  const bool rest = wanted == Division::kRest;
  if (b == 0) return rest ? a : ~std::uint64_t{0};
  if (!IsSigned(type)) return rest ? a % b : a / b;
  if (Signed(b) == -1) return rest ? 0 : 0 - a;  // also where the result does not fit
  return Unsigned(rest ? Signed(a) % Signed(b) : Signed(a) / Signed(b));
}

std::uint64_t ShiftLeft(Type type, std::uint64_t a, std::uint32_t by) {
  return by >= BitsOf(type) ? 0 : a << by;
}

std::uint64_t ShiftRight(Type type, std::uint64_t a, std::uint32_t by) {
  if (IsSigned(type)) return Unsigned(Signed(a) >> std::min(by, 63U));
  return by >= BitsOf(type) ? 0 : a >> by;
}

std::uint64_t Magnitude(std::uint64_t a) { return Signed(a) < 0 ? 0 - a : a; }

// The field of `length` bits of a from `begin`; its highest bit goes on where type is signed.
std::uint64_t Field(Type type, std::uint64_t a, std::uint64_t begin, std::uint64_t length) {
  const unsigned bits = BitsOf(type);
  begin &= 0xFF;
  length &= 0xFF;
  if (length == 0) return 0;
  const auto last = std::min<std::uint64_t>(begin + length - 1, bits - 1);
  const std::uint64_t sign = IsSigned(type) ? (a >> last) & 1U : 0;
  std::uint64_t result = 0;
  for (unsigned i = 0; i < bits; ++i) {
    const std::uint64_t bit = i < length && begin + i < bits ? (a >> (begin + i)) & 1U : sign;
    result |= bit << i;
  }
  return result;
}

std::uint64_t Insert(std::uint64_t into, std::uint64_t a, std::uint64_t begin, std::uint64_t length,
                     unsigned bits) {
  begin &= 0xFF;
  length &= 0xFF;
  for (unsigned i = 0; i < length && begin + i < bits; ++i) {
    const std::uint64_t mask = 1ULL << (begin + i);
    into = ((a >> i) & 1U) != 0 ? into | mask : into & ~mask;
  }
  return into;
}

void ComputeInteger(const Instruction& in, std::uint64_t* frame) {
  const Type type = in.type;
  const auto get = [&](std::uint32_t slot) {
    return slot == kNoSlot ? 0 : Extend(type, frame[slot]);
  };
  const std::uint64_t a = get(in.a);
  const std::uint64_t b = get(in.b);
  const bool less = IsSigned(type) ? Signed(a) < Signed(b) : a < b;
  std::uint64_t& d = frame[in.d];
  switch (in.op) {
    case Op::kAdd:
      d = in.saturate ? Saturate(type, Signed(a) + Signed(b)) : a + b;
      break;
    case Op::kSub:
      d = in.saturate ? Saturate(type, Signed(a) - Signed(b)) : a - b;
      break;
    case Op::kMulLow:
    case Op::kMulWide:
      d = a * b;
      break;
    case Op::kMulHigh:
      d = MulHigh(type, a, b);
      break;
    case Op::kMadLow:
    case Op::kMadWide:
      // The third of a wide one has twice the width.
      d = a * b + frame[in.c];
      break;
    case Op::kMadHigh:
      d = MulHigh(type, a, b) + frame[in.c];
      break;
    case Op::kDiv:
      d = Divide(type, a, b, Division::kQuotient);
      break;
    case Op::kRem:
      d = Divide(type, a, b, Division::kRest);
      break;
    case Op::kMin:
      d = less ? a : b;
      break;
    case Op::kMax:
      d = less ? b : a;
      break;
    case Op::kAbs:
      d = IsSigned(type) ? Magnitude(a) : a;
      break;
    case Op::kNeg:
      d = 0 - a;
      break;
    case Op::kAnd:
      d = a & b;
      break;
    case Op::kOr:
      d = a | b;
      break;
    case Op::kXor:
      d = a ^ b;
      break;
    case Op::kNot:
      d = type == Type::kPred ? a ^ 1U : ~a;
      break;
    case Op::kShl:
      d = ShiftLeft(type, a, static_cast<std::uint32_t>(frame[in.b]));
      break;
    case Op::kShr:
      d = ShiftRight(type, a, static_cast<std::uint32_t>(frame[in.b]));
      break;
    case Op::kPopc:
      d = static_cast<std::uint64_t>(std::popcount(a));
      break;
    case Op::kClz:
      d = static_cast<std::uint64_t>(std::countl_zero(a)) - (64 - BitsOf(type));
      break;
    case Op::kBfe:
      d = Field(type, a, b, frame[in.c]);
      break;
    case Op::kBfi:
      d = Insert(b, a, frame[in.c], frame[in.e], BitsOf(type));
      break;
    default:
      break;
  }
}

}  // namespace

std::uint64_t Extend(Type type, std::uint64_t value) {
  switch (type) {
    case Type::kPred:
      return value & 1U;
    case Type::kU8:
      return static_cast<std::uint8_t>(value);
    case Type::kU16:
      return static_cast<std::uint16_t>(value);
    case Type::kU32:
    case Type::kF32:
      return static_cast<std::uint32_t>(value);
    case Type::kS8:
      return Unsigned(static_cast<std::int8_t>(value));
    case Type::kS16:
      return Unsigned(static_cast<std::int16_t>(value));
    case Type::kS32:
      return Unsigned(static_cast<std::int32_t>(value));
    case Type::kU64:
    case Type::kS64:
    case Type::kF64:
    case Type::kNone:
      return value;
  }
  return value;
}

void Compute(const Instruction& in, std::uint64_t* frame) {
  switch (in.op) {
    case Op::kMove:
      frame[in.d] = frame[in.a];
      return;
    case Op::kSelect:
      frame[in.d] = (frame[in.c] & 1U) != 0 ? frame[in.a] : frame[in.b];
      return;
    case Op::kInsert: {
      const std::uint64_t mask = in.bits >= 64 ? ~std::uint64_t{0} : (1ULL << in.bits) - 1;
      const std::uint64_t kept = in.shift == 0 ? 0 : frame[in.d];
      frame[in.d] = kept | ((frame[in.a] & mask) << in.shift);
      return;
    }
    case Op::kExtract: {
      const std::uint64_t mask = in.bits >= 64 ? ~std::uint64_t{0} : (1ULL << in.bits) - 1;
      frame[in.d] = (frame[in.a] >> in.shift) & mask;
      return;
    }
    case Op::kCompare:
    case Op::kSet:
      return ComputeComparison(in, frame);
    case Op::kConvert:
      return ComputeConversion(in, frame);
    default:
      break;
  }
  if (in.type == Type::kF32) return ComputeReal<float>(in, frame);
  if (in.type == Type::kF64) return ComputeReal<double>(in, frame);
  ComputeInteger(in, frame);
}

std::uint64_t ComputeAtomic(const Instruction& in, std::uint64_t value, std::uint64_t b,
                            std::uint64_t c) {
  value = Extend(in.type, value);
  b = Extend(in.type, b);
  const bool less = IsSigned(in.type) ? Signed(value) < Signed(b) : value < b;
  switch (in.atomic) {
    case Atomic::kAdd:
      if (in.type == Type::kF32) {
        return Slot<float>::Put(Slot<float>::Get(value) + Slot<float>::Get(b));
      }
      if (in.type == Type::kF64) {
        return Slot<double>::Put(Slot<double>::Get(value) + Slot<double>::Get(b));
      }
      return value + b;
    case Atomic::kExchange:
      return b;
    case Atomic::kCas:
      return value == b ? c : value;
    case Atomic::kMin:
      return less ? value : b;
    case Atomic::kMax:
      return less ? b : value;
    case Atomic::kAnd:
      return value & b;
    case Atomic::kOr:
      return value | b;
    case Atomic::kXor:
      return value ^ b;
    case Atomic::kInc:
      return value >= b ? 0 : value + 1;
    case Atomic::kDec:
      return value == 0 || value > b ? b : value - 1;
  }
  return value;
}

}  // namespace tranche::sim::ptx
