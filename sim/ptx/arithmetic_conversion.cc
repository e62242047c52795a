// Comparisons and conversions.
#include <limits>

#include "sim/ptx/arithmetic_numbers.h"

namespace tranche::sim::ptx {

std::uint64_t Saturate(Type type, std::int64_t value) {
  const unsigned bits = BitsOf(type);
  if (bits >= 64) return Unsigned(value);
  if (!IsSigned(type)) {
    return Unsigned(std::clamp<std::int64_t>(value, 0, Signed((1ULL << bits) - 1)));
  }
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  return Unsigned(std::clamp(value, -limit, limit - 1));
}

namespace {

template <typename Real>
bool CompareReal(Comparison comparison, Real a, Real b) {
  const bool nan = std::isnan(a) || std::isnan(b);
  switch (comparison) {
    case Comparison::kEq:
      return a == b;
    case Comparison::kNe:
      return !nan && a != b;
    case Comparison::kLt:
      return a < b;
    case Comparison::kLe:
      return a <= b;
    case Comparison::kGt:
      return a > b;
    case Comparison::kGe:
      return a >= b;
    case Comparison::kEqu:
      return nan || a == b;
    case Comparison::kNeu:
      return nan || a != b;
    case Comparison::kLtu:
      return nan || a < b;
    case Comparison::kLeu:
      return nan || a <= b;
    case Comparison::kGtu:
      return nan || a > b;
    case Comparison::kGeu:
      return nan || a >= b;
    case Comparison::kNum:
      return !nan;
    case Comparison::kNan:
      return nan;
  }
  return false;
}

bool CompareSlots(const Instruction& in, std::uint64_t a, std::uint64_t b) {
  if (in.from == Type::kF32) {
    return CompareReal(in.comparison, Flush(in.flush, Slot<float>::Get(a)),
                       Flush(in.flush, Slot<float>::Get(b)));
  }
  if (in.from == Type::kF64) {
    return CompareReal(in.comparison, Slot<double>::Get(a), Slot<double>::Get(b));
  }
  a = Extend(in.from, a);
  b = Extend(in.from, b);
  const bool less = IsSigned(in.from) ? Signed(a) < Signed(b) : a < b;
  switch (in.comparison) {
    case Comparison::kEq:
      return a == b;
    case Comparison::kNe:
      return a != b;
    case Comparison::kLt:
      return less;
    case Comparison::kLe:
      return less || a == b;
    case Comparison::kGt:
      return !less && a != b;
    default:
      return !less;
  }
}

}  // namespace

void ComputeComparison(const Instruction& in, std::uint64_t* frame) {
  const bool result = CompareSlots(in, frame[in.a], frame[in.b]);
  const bool other = in.c != kNoSlot && ((frame[in.c] & 1U) != 0) != in.combine_negated;
  const auto combined = [&](bool value) {
    switch (in.combine) {
      case Combine::kAnd:
        return value && other;
      case Combine::kOr:
        return value || other;
      case Combine::kXor:
        return value != other;
      case Combine::kNone:
        break;
    }
    return value;
  };
  const bool yes = combined(result);
  if (in.op == Op::kSet) {
    frame[in.d] =
        in.type == Type::kF32 ? Slot<float>::Put(yes ? 1.0F : 0.0F) : (yes ? ~std::uint64_t{0} : 0);
    return;
  }
  const bool no = combined(!result);
  frame[in.d] = yes ? 1 : 0;
  if (in.d2 != kNoSlot) frame[in.d2] = no ? 1 : 0;
}

namespace {

double Round(Rounding rounding, double value) {
  switch (rounding) {
    case Rounding::kToInteger:
      return std::nearbyint(value);
    case Rounding::kZero:
      return std::trunc(value);
    case Rounding::kDown:
      return std::floor(value);
    case Rounding::kUp:
      return std::ceil(value);
    case Rounding::kNearest:
      return value;
  }
  return value;
}

// A whole number in the limits of `type`.
std::uint64_t ToInteger(Type type, bool from_double, double value) {
  const unsigned bits = BitsOf(type);
  if (std::isnan(value)) {
    return from_double || bits == 64 ? 1ULL << (bits - 1) : 0;
  }
  if (!IsSigned(type)) {
    if (value <= 0) return 0;
    const std::uint64_t most = bits == 64 ? ~std::uint64_t{0} : (1ULL << bits) - 1;
    return value >= std::ldexp(1.0, static_cast<int>(bits)) ? most
                                                            : static_cast<std::uint64_t>(value);
  }
  const double limit = std::ldexp(1.0, static_cast<int>(bits) - 1);
  const std::uint64_t most = (1ULL << (bits - 1)) - 1;
  if (value >= limit) return most;
  if (value <= -limit) return ~most;
  return Unsigned(static_cast<std::int64_t>(value));
}

}  // namespace

void ComputeConversion(const Instruction& in, std::uint64_t* frame) {
  const std::uint64_t a = Extend(in.from, frame[in.a]);
  std::uint64_t& d = frame[in.d];
  if (!IsReal(in.from)) {
    if (in.type == Type::kF32) {
      d = Slot<float>::Put(IsSigned(in.from) ? static_cast<float>(Signed(a))
                                             : static_cast<float>(a));
    } else if (in.type == Type::kF64) {
      d = Slot<double>::Put(IsSigned(in.from) ? static_cast<double>(Signed(a))
                                              : static_cast<double>(a));
    } else if (in.saturate) {
      const bool large =
          !IsSigned(in.from) && a > Unsigned(std::numeric_limits<std::int64_t>::max());
      d = large ? Saturate(in.type, std::numeric_limits<std::int64_t>::max())
                : Saturate(in.type, Signed(a));
    } else {
      d = Extend(in.type, a);
    }
    return;
  }
  const double value = in.from == Type::kF64
                           ? Slot<double>::Get(a)
                           : static_cast<double>(Flush(in.flush, Slot<float>::Get(a)));
  double rounded = Round(in.rounding, value);
  if (!IsReal(in.type)) {
    d = ToInteger(in.type, in.from == Type::kF64, rounded);
    return;
  }
  if (in.saturate) rounded = std::isnan(rounded) ? 0 : std::clamp(rounded, 0.0, 1.0);
  d = in.type == Type::kF64 ? Slot<double>::Put(rounded)
                            : Slot<float>::Put(Flush(in.flush, static_cast<float>(rounded)));
}

}  // namespace tranche::sim::ptx
