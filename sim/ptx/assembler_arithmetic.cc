// What the instructions that compute become.
#include <iterator>

#include "sim/ptx/assembler_modifiers.h"

namespace tranche::sim::ptx {

// d = op a, on integers and bits, or on both kinds of numbers.
Fault Assembler::Unary(Instruction& instruction, const Statement& statement, Modifiers& modifiers) {
  instruction.flush = modifiers.Take(".ftz");
  if (!modifiers.Done(1)) return NotInterpreted(statement);
  instruction.type = modifiers.types[0];
  if (IsFloat(instruction.type) && instruction.op == Op::kNot) return NotInterpreted(statement);
  if (Fault fault = ReadAll(statement, {&instruction.a}, instruction.type)) return fault;
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  return Emit(instruction);
}

// Functions of floating-point numbers.
Fault Assembler::Real(Instruction& instruction, const Statement& statement, Modifiers& modifiers) {
  instruction.flush = modifiers.Take(".ftz");
  modifiers.TakeAll({".rn", ".approx"});
  if (!modifiers.Done(1) || !IsFloat(modifiers.types[0])) return NotInterpreted(statement);
  instruction.type = modifiers.types[0];
  if (Fault fault = ReadAll(statement, {&instruction.a}, instruction.type)) return fault;
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  return Emit(instruction);
}

// d = a op b.
Fault Assembler::Binary(Instruction& instruction, const Statement& statement,
                        Modifiers& modifiers) {
  instruction.flush = modifiers.Take(".ftz");
  instruction.saturate = modifiers.Take(".sat");
  modifiers.TakeAll({".rn", ".approx", ".full"});
  if (!modifiers.Done(1)) return NotInterpreted(statement);
  const Type type = instruction.type = modifiers.types[0];
  const Op op = instruction.op;
  const bool bits = op == Op::kAnd || op == Op::kOr || op == Op::kXor;
  if ((IsFloat(type) && (bits || op == Op::kRem)) || (type == Type::kPred && !bits)) {
    return NotInterpreted(statement);
  }
  if (instruction.saturate && type != Type::kF32 && type != Type::kF64 && type != Type::kS32) {
    return NotInterpreted(statement);
  }
  if (Fault fault = ReadAll(statement, {&instruction.a, &instruction.b}, type)) return fault;
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  return Emit(instruction);
}

// mul, mad and fma.
Fault Assembler::Multiply(Instruction& instruction, const Statement& statement,
                          Modifiers& modifiers) {
  instruction.flush = modifiers.Take(".ftz");
  instruction.saturate = modifiers.Take(".sat");
  const bool add = instruction.op != Op::kMulLow;
  const bool wide = modifiers.Take(".wide");
  const bool high = modifiers.Take(".hi");
  const bool low = modifiers.Take(".lo");
  modifiers.Take(".rn");
  if (!modifiers.Done(1)) return NotInterpreted(statement);
  const Type type = instruction.type = modifiers.types[0];
  if (IsFloat(type)) {
    if (wide || high || low) return NotInterpreted(statement);
    instruction.op = add ? Op::kFma : Op::kMulLow;
  } else {
    if (instruction.op == Op::kFma || instruction.saturate || type == Type::kPred) {
      return NotInterpreted(statement);
    }
    if (wide && SizeOf(type) > 4) return NotInterpreted(statement);
    instruction.op = wide   ? (add ? Op::kMadWide : Op::kMulWide)
                     : high ? (add ? Op::kMadHigh : Op::kMulHigh)
                            : (add ? Op::kMadLow : Op::kMulLow);
  }
  Fault fault = add ? ReadAll(statement, {&instruction.a, &instruction.b, &instruction.c}, type)
                    : ReadAll(statement, {&instruction.a, &instruction.b}, type);
  if (fault) return fault;
  if (Fault other = Write(statement.operands[0], &instruction.d)) return other;
  return Emit(instruction);
}

Fault Assembler::Shift(Instruction& instruction, const Statement& statement, Modifiers& modifiers) {
  if (!modifiers.Done(1) || IsFloat(modifiers.types[0]) || modifiers.types[0] == Type::kPred) {
    return NotInterpreted(statement);
  }
  instruction.type = modifiers.types[0];
  if (Fault fault = ReadAll(statement, {&instruction.a, &instruction.b}, Type::kU32)) return fault;
  if (statement.operands[1].kind != OperandKind::kName) {
    if (Fault fault = Read(statement.operands[1], instruction.type, &instruction.a)) return fault;
  }
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  return Emit(instruction);
}

Fault Assembler::Convert(Instruction& instruction, const Statement& statement,
                         Modifiers& modifiers) {
  instruction.flush = modifiers.Take(".ftz");
  instruction.saturate = modifiers.Take(".sat");
  const bool nearest = modifiers.Take(".rn");
  constexpr std::pair<std::string_view, Rounding> kToIntegers[] = {{".rni", Rounding::kToInteger},
                                                                   {".rzi", Rounding::kZero},
                                                                   {".rmi", Rounding::kDown},
                                                                   {".rpi", Rounding::kUp}};
  bool to_integer = false;
  for (const auto& [name, rounding] : kToIntegers) {
    if (!modifiers.Take(name)) continue;
    instruction.rounding = rounding;
    to_integer = true;
  }
  if (!modifiers.Done(2)) return NotInterpreted(statement);
  instruction.type = modifiers.types[0];
  instruction.from = modifiers.types[1];
  const bool real = IsFloat(instruction.type);
  const bool from_real = IsFloat(instruction.from);
  if (instruction.type == Type::kPred || instruction.from == Type::kPred ||
      (to_integer && (!from_real || nearest)) || (from_real && !real && !to_integer)) {
    return NotInterpreted(statement);
  }
  if (Fault fault = ReadAll(statement, {&instruction.a}, instruction.from)) return fault;
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  return Emit(instruction);
}

// Fields of bits.
Fault Assembler::Bits(Instruction& instruction, const Statement& statement, Modifiers& modifiers) {
  if (!modifiers.Done(1) || SizeOf(modifiers.types[0]) < 4 || IsFloat(modifiers.types[0])) {
    return NotInterpreted(statement);
  }
  instruction.type = modifiers.types[0];
  Fault fault =
      instruction.op == Op::kBfe
          ? ReadAll(statement, {&instruction.a, &instruction.b, &instruction.c}, instruction.type)
          : ReadAll(statement, {&instruction.a, &instruction.b, &instruction.c, &instruction.e},
                    instruction.type);
  if (fault) return fault;
  if (Fault other = Write(statement.operands[0], &instruction.d)) return other;
  return Emit(instruction);
}

const Assembler::Known* Assembler::Find(std::string_view opcode) {
  using A = Assembler;
  static constexpr std::pair<std::string_view, Known> kKnown[] = {
      {"mov", {Op::kMove, &A::Move}},
      {"ld", {Op::kLoad, &A::Access}},
      {"ldu", {Op::kLoad, &A::Access}},
      {"st", {Op::kStore, &A::Access}},
      {"cvta", {Op::kAdd, &A::ToSpace}},
      {"add", {Op::kAdd, &A::Binary}},
      {"sub", {Op::kSub, &A::Binary}},
      {"mul", {Op::kMulLow, &A::Multiply}},
      {"mad", {Op::kMadLow, &A::Multiply}},
      {"fma", {Op::kFma, &A::Multiply}},
      {"div", {Op::kDiv, &A::Binary}},
      {"rem", {Op::kRem, &A::Binary}},
      {"min", {Op::kMin, &A::Binary}},
      {"max", {Op::kMax, &A::Binary}},
      {"abs", {Op::kAbs, &A::Unary}},
      {"neg", {Op::kNeg, &A::Unary}},
      {"and", {Op::kAnd, &A::Binary}},
      {"or", {Op::kOr, &A::Binary}},
      {"xor", {Op::kXor, &A::Binary}},
      {"not", {Op::kNot, &A::Unary}},
      {"shl", {Op::kShl, &A::Shift}},
      {"shr", {Op::kShr, &A::Shift}},
      {"setp", {Op::kCompare, &A::Compare}},
      {"set", {Op::kSet, &A::Compare}},
      {"selp", {Op::kSelect, &A::Select}},
      {"cvt", {Op::kConvert, &A::Convert}},
      {"sqrt", {Op::kSqrt, &A::Real}},
      {"rsqrt", {Op::kRsqrt, &A::Real}},
      {"rcp", {Op::kRcp, &A::Real}},
      {"sin", {Op::kSin, &A::Real}},
      {"cos", {Op::kCos, &A::Real}},
      {"ex2", {Op::kEx2, &A::Real}},
      {"lg2", {Op::kLg2, &A::Real}},
      {"popc", {Op::kPopc, &A::Unary}},
      {"clz", {Op::kClz, &A::Unary}},
      {"bfe", {Op::kBfe, &A::Bits}},
      {"bfi", {Op::kBfi, &A::Bits}},
      {"atom", {Op::kAtomic, &A::AtomicAccess}},
      {"red", {Op::kAtomic, &A::AtomicAccess}},
      {"bra", {Op::kBranch, &A::Branch}},
      {"ret", {Op::kExit, &A::Plain}},
      {"exit", {Op::kExit, &A::Plain}},
      {"trap", {Op::kTrap, &A::Plain}},
      {"bar", {Op::kBarrier, &A::Barrier}},
      {"barrier", {Op::kBarrier, &A::Barrier}},
      {"membar", {Op::kMove, &A::Nothing}},
      {"fence", {Op::kMove, &A::Nothing}},
      {"prefetch", {Op::kMove, &A::Nothing}},
      {"prefetchu", {Op::kMove, &A::Nothing}},
      {"nanosleep", {Op::kMove, &A::Nothing}},
  };
  for (const auto& [name, known] : kKnown) {
    if (name == opcode) return &known;
  }
  return nullptr;
}

}  // namespace tranche::sim::ptx
