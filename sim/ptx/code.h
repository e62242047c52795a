// Code is a kernel's instructions, ready to be interpreted.
//
// All values of a thread lie in one frame of 64-bit slots: its registers, then the constants of the
// code, then the special registers. An operand is the index of a slot. A value narrower than its
// slot has its bits at the low end; what is above them does not count.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include <cstdint>
#include <vector>

namespace tranche::sim::ptx {

enum class Type : std::uint8_t {
  kNone,
  kPred,
  kU8,
  kU16,
  kU32,
  kU64,
  kS8,
  kS16,
  kS32,
  kS64,
  kF32,
  kF64,
};

constexpr unsigned SizeOf(Type type) {
  switch (type) {
    case Type::kU8:
    case Type::kS8:
    case Type::kPred:
      return 1;
    case Type::kU16:
    case Type::kS16:
      return 2;
    case Type::kU32:
    case Type::kS32:
    case Type::kF32:
      return 4;
    case Type::kU64:
    case Type::kS64:
    case Type::kF64:
      return 8;
    case Type::kNone:
      return 0;
  }
  return 0;
}

enum class Op : std::uint8_t {
  kMove,
  kInsert,   // d = d with `shift`, `bits` of it replaced by a
  kExtract,  // d = `bits` of a from `shift`
  kTimer,    // d = nanoseconds
  kLoad,     // d, [a + offset]
  kStore,    // [a + offset], b
  kAtomic,   // d, [a + offset], b, c
  kAdd,
  kSub,
  kMulLow,
  kMulHigh,
  kMulWide,
  kMadLow,
  kMadHigh,
  kMadWide,
  kFma,
  kDiv,
  kRem,
  kMin,
  kMax,
  kAbs,
  kNeg,
  kAnd,
  kOr,
  kXor,
  kNot,
  kShl,
  kShr,
  kCompare,  // d [, d2], a, b [, c]
  kSet,      // d, a, b
  kSelect,   // d, a, b, c
  kConvert,
  kSqrt,
  kRsqrt,
  kRcp,
  kSin,
  kCos,
  kEx2,
  kLg2,
  kPopc,
  kClz,
  kBfe,
  kBfi,  // d, a, b, c, e
  kBranch,
  kExit,
  kBarrier,
  kTrap,
};

enum class Space : std::uint8_t { kGeneric, kGlobal, kShared, kLocal, kParam };

// Generic addresses are those of global memory, but for a window of each of the other spaces. No
// program's memory lies there.
constexpr std::uint64_t kSharedWindow = 1ULL << 60U;
constexpr std::uint64_t kLocalWindow = 2ULL << 60U;
constexpr std::uint64_t kParamWindow = 3ULL << 60U;
constexpr std::uint64_t kWindowMask = 15ULL << 60U;
constexpr std::uint64_t WindowOf(Space space) {
  switch (space) {
    case Space::kShared:
      return kSharedWindow;
    case Space::kLocal:
      return kLocalWindow;
    case Space::kParam:
      return kParamWindow;
    case Space::kGeneric:
    case Space::kGlobal:
      return 0;
  }
  return 0;
}

enum class Comparison : std::uint8_t {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kEqu,
  kNeu,
  kLtu,
  kLeu,
  kGtu,
  kGeu,
  kNum,
  kNan,
};

enum class Combine : std::uint8_t { kNone, kAnd, kOr, kXor };

enum class Rounding : std::uint8_t { kNearest, kToInteger, kZero, kDown, kUp };

enum class Atomic : std::uint8_t { kAdd, kExchange, kCas, kMin, kMax, kAnd, kOr, kXor, kInc, kDec };

constexpr std::uint32_t kNoSlot = 0xFFFFFFFF;

struct Instruction {
  Op op = Op::kExit;
  Type type = Type::kNone;
  Type from = Type::kNone;  // of the operands, where not `type`
  Space space = Space::kGeneric;
  Comparison comparison = Comparison::kEq;
  Combine combine = Combine::kNone;
  Rounding rounding = Rounding::kNearest;
  Atomic atomic = Atomic::kAdd;
  bool flush = false;     // .ftz
  bool saturate = false;  // .sat
  bool guard_negated = false;
  bool combine_negated = false;
  std::uint8_t shift = 0;
  std::uint8_t bits = 0;
  std::uint32_t guard = kNoSlot;
  std::uint32_t d = kNoSlot;
  std::uint32_t d2 = kNoSlot;
  std::uint32_t a = kNoSlot;
  std::uint32_t b = kNoSlot;
  std::uint32_t c = kNoSlot;
  std::uint32_t e = kNoSlot;
  std::uint32_t target = 0;  // of a branch
  std::int64_t offset = 0;   // of an address
};

// What a constant's slot holds when a thread starts.
enum class ConstantKind : std::uint8_t {
  kValue,
  kVariable,  // the address of a variable of the image, `value` added
  kDynamic,   // where dynamic_shared is, `value` added: only while the code is being made
};
struct Constant {
  ConstantKind kind = ConstantKind::kValue;
  std::uint32_t variable = 0;
  std::uint64_t value = 0;
};

// Special registers that are the same for a thread's whole life, in the order of their slots.
enum class Special : std::uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLane,
  kWarp,
  kDynamicShared,
  kZero,  // those that may be zero: %smid, the fourth of a vector
  kCount,
};

struct Code {
  std::uint32_t registers = 0;  // slots before the constants
  std::vector<Constant> constants;
  std::vector<Instruction> instructions;
  std::uint64_t dynamic_shared = 0;  // where what a launch adds to the shared memory begins
  bool has_barrier = false;

  [[nodiscard]] std::uint32_t SpecialSlot(Special special) const {
    return registers + static_cast<std::uint32_t>(constants.size()) +
           static_cast<std::uint32_t>(special);
  }
  [[nodiscard]] std::uint32_t FrameSlots() const { return SpecialSlot(Special::kCount); }
};

}  // namespace tranche::sim::ptx
