// What each instruction of PTX becomes.
#include <algorithm>
#include <initializer_list>

#include "sim/ptx/assembler_modifiers.h"

namespace tranche::sim::ptx {

Fault NotInterpreted(const Statement& statement) {
  std::string text = "it has ";
  text += statement.opcode;
  for (const std::string_view modifier : statement.modifiers) text += modifier;
  return Fault::Unsupported(text);
}
Fault Assembler::ReadAll(const Statement& statement, std::initializer_list<std::uint32_t*> slots,
                         Type type) {
  // The first operand is the destination.
  if (statement.operands.size() != slots.size() + 1) return NotInterpreted(statement);
  std::size_t index = 1;
  for (std::uint32_t* slot : slots) {
    if (Fault fault = Read(statement.operands[index++], type, slot)) return fault;
  }
  return {};
}

Fault Assembler::Add(const Statement& statement) {
  if (!obstacle_.empty()) return {};
  const Known* known = Find(statement.opcode);
  if (known == nullptr) {
    GiveUp(NotInterpreted(statement).text);
    return {};
  }
  Instruction instruction{.op = known->op, .guard_negated = statement.guard_negated};
  Fault fault;
  if (!statement.guard.empty()) {
    const auto guard = Register(statement.guard);
    if (!guard) return Fault::Wrong("Unknown symbol '" + std::string(statement.guard) + "'");
    instruction.guard = *guard;
  }
  Modifiers modifiers(statement);
  if (modifiers.odd) {
    fault = NotInterpreted(statement);
  } else {
    fault = (this->*known->handler)(instruction, statement, modifiers);
  }
  if (fault.kind != Fault::Kind::kUnsupported) return fault;
  GiveUp(fault.text);
  return {};
}

Fault Assembler::Move(Instruction& instruction, const Statement& statement, Modifiers& modifiers) {
  if (!modifiers.Done(1) || statement.operands.size() != 2) return NotInterpreted(statement);
  instruction.type = modifiers.types[0];
  const Operand& from = statement.operands[1];
  if (from.kind == OperandKind::kVector) return Pack(instruction, statement);
  if (statement.operands[0].kind == OperandKind::kVector) return Unpack(instruction, statement);
  Fault fault = Write(statement.operands[0], &instruction.d);
  if (fault) return fault;
  if (from.kind == OperandKind::kName &&
      (from.name == "%globaltimer" || from.name == "%clock64" || from.name == "%clock" ||
       from.name == "%globaltimer_lo")) {
    instruction.op = Op::kTimer;
    return Emit(instruction);
  }
  if ((fault = Read(from, instruction.type, &instruction.a))) return fault;
  return Emit(instruction);
}

Fault Assembler::Pack(Instruction& instruction, const Statement& statement) {
  const std::vector<Operand>& parts = statement.operands[1].elements;
  const unsigned bits = SizeOf(instruction.type) * 8;
  if (parts.empty() || bits % parts.size() != 0) return NotInterpreted(statement);
  instruction.op = Op::kInsert;
  instruction.bits = static_cast<std::uint8_t>(bits / parts.size());
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  for (const Operand& part : parts) {
    if (Fault fault = Read(part, instruction.type, &instruction.a)) return fault;
    if (Fault fault = Emit(instruction)) return fault;
    instruction.shift = static_cast<std::uint8_t>(instruction.shift + instruction.bits);
  }
  return {};
}

Fault Assembler::Unpack(Instruction& instruction, const Statement& statement) {
  const std::vector<Operand>& parts = statement.operands[0].elements;
  const unsigned bits = SizeOf(instruction.type) * 8;
  if (parts.empty() || bits % parts.size() != 0) return NotInterpreted(statement);
  instruction.op = Op::kExtract;
  instruction.bits = static_cast<std::uint8_t>(bits / parts.size());
  if (Fault fault = Read(statement.operands[1], instruction.type, &instruction.a)) return fault;
  for (const Operand& part : parts) {
    if (Fault fault = Write(part, &instruction.d)) return fault;
    if (Fault fault = Emit(instruction)) return fault;
    instruction.shift = static_cast<std::uint8_t>(instruction.shift + instruction.bits);
  }
  return {};
}

namespace {

// The space that the modifiers of an access name.
template <typename Modifiers>
Space TakeSpace(Modifiers& modifiers) {
  if (modifiers.Take(".global") || modifiers.Take(".const")) return Space::kGlobal;
  if (modifiers.Take(".shared") || modifiers.Take(".shared::cta")) return Space::kShared;
  if (modifiers.Take(".local")) return Space::kLocal;
  if (modifiers.Take(".param") || modifiers.Take(".param::entry")) return Space::kParam;
  return Space::kGeneric;
}

}  // namespace

// ld and st. How they go through caches does not matter here.
Fault Assembler::Access(Instruction& instruction, const Statement& statement,
                        Modifiers& modifiers) {
  const bool load = instruction.op == Op::kLoad;
  instruction.space = TakeSpace(modifiers);
  std::size_t count = 1;
  if (modifiers.Take(".v2")) count = 2;
  if (modifiers.Take(".v4")) count = 4;
  modifiers.TakeAll({".volatile",
                     ".relaxed",
                     ".acquire",
                     ".release",
                     ".weak",
                     ".cta",
                     ".gpu",
                     ".sys",
                     ".ca",
                     ".cg",
                     ".cs",
                     ".lu",
                     ".cv",
                     ".wb",
                     ".wt",
                     ".nc",
                     ".L1::no_allocate",
                     ".L1::evict_last",
                     ".L1::evict_first",
                     ".L2::128B",
                     ".L2::256B",
                     ".L2::64B"});
  if (!modifiers.Done(1) || statement.operands.size() != 2) return NotInterpreted(statement);
  instruction.type = modifiers.types[0];
  if (Fault fault = Address(statement.operands[load ? 1 : 0], instruction)) return fault;
  if (!load && instruction.space == Space::kParam) return NotInterpreted(statement);
  const Operand& value = statement.operands[load ? 0 : 1];
  const bool vector = value.kind == OperandKind::kVector;
  if ((vector ? value.elements.size() : 1) != count) return NotInterpreted(statement);
  // The first of a vector must lie on a boundary of the whole.
  instruction.bits = static_cast<std::uint8_t>(SizeOf(instruction.type) * count);
  has_effects_ = has_effects_ || (!load && instruction.space != Space::kShared &&
                                  instruction.space != Space::kLocal);
  const std::int64_t first = instruction.offset;
  // The register of the address may be one of those that are loaded.
  if (load && vector && count > 1) {
    DeclareRegister("[address]");
    const auto copy = Register("[address]");
    if (!copy) return NotInterpreted(statement);
    const Instruction move{.op = Op::kMove,
                           .type = Type::kU64,
                           .guard_negated = instruction.guard_negated,
                           .guard = instruction.guard,
                           .d = *copy,
                           .a = instruction.a};
    if (Fault fault = Emit(move)) return fault;
    instruction.a = *copy;
  }
  for (std::size_t part = 0; part < count; ++part) {
    const Operand& one = vector ? value.elements[part] : value;
    if (Fault fault =
            load ? Write(one, &instruction.d) : Read(one, instruction.type, &instruction.b)) {
      return fault;
    }
    instruction.offset = first + static_cast<std::int64_t>(part * SizeOf(instruction.type));
    if (Fault fault = Emit(instruction)) return fault;
    instruction.bits = static_cast<std::uint8_t>(SizeOf(instruction.type));
  }
  return {};
}

// atom and red.
Fault Assembler::AtomicAccess(Instruction& instruction, const Statement& statement,
                              Modifiers& modifiers) {
  constexpr std::pair<std::string_view, Atomic> kAtomics[] = {
      {".add", Atomic::kAdd}, {".exch", Atomic::kExchange}, {".cas", Atomic::kCas},
      {".min", Atomic::kMin}, {".max", Atomic::kMax},       {".and", Atomic::kAnd},
      {".or", Atomic::kOr},   {".xor", Atomic::kXor},       {".inc", Atomic::kInc},
      {".dec", Atomic::kDec}};
  instruction.space = TakeSpace(modifiers);
  modifiers.TakeAll(
      {".relaxed", ".acquire", ".release", ".acq_rel", ".cta", ".gpu", ".sys", ".cluster"});
  if (modifiers.others.size() != 1) return NotInterpreted(statement);
  const auto* atomic = std::find_if(std::begin(kAtomics), std::end(kAtomics),
                                    [&](const auto& a) { return a.first == modifiers.others[0]; });
  if (atomic == std::end(kAtomics)) return NotInterpreted(statement);
  instruction.atomic = atomic->second;
  modifiers.others.clear();
  const bool has_result = statement.opcode == "atom";
  const bool is_cas = instruction.atomic == Atomic::kCas;
  const std::size_t operands = (has_result ? 3U : 2U) + (is_cas ? 1U : 0U);
  if (!modifiers.Done(1) || statement.operands.size() != operands) return NotInterpreted(statement);
  instruction.type = modifiers.types[0];
  if (SizeOf(instruction.type) < 4) return NotInterpreted(statement);
  const bool arithmetic =
      instruction.atomic == Atomic::kAdd || instruction.atomic == Atomic::kExchange;
  if (IsFloat(instruction.type) && !arithmetic) return NotInterpreted(statement);
  std::size_t next = 0;
  if (has_result) {
    if (Fault fault = Write(statement.operands[next++], &instruction.d)) return fault;
  }
  if (Fault fault = Address(statement.operands[next++], instruction)) return fault;
  if (Fault fault = Read(statement.operands[next++], instruction.type, &instruction.b))
    return fault;
  if (is_cas) {
    if (Fault fault = Read(statement.operands[next], instruction.type, &instruction.c)) {
      return fault;
    }
  }
  if (instruction.space == Space::kParam) return NotInterpreted(statement);
  instruction.bits = static_cast<std::uint8_t>(SizeOf(instruction.type));
  has_effects_ =
      has_effects_ || instruction.space == Space::kGeneric || instruction.space == Space::kGlobal;
  return Emit(instruction);
}

// cvta: addresses of shared, local and parameter memory are made generic by what is added to them.
Fault Assembler::ToSpace(Instruction& instruction, const Statement& statement,
                         Modifiers& modifiers) {
  const bool to = modifiers.Take(".to");
  const Space space = TakeSpace(modifiers);
  if (!modifiers.Done(1) || space == Space::kGeneric || modifiers.types[0] != Type::kU64) {
    return NotInterpreted(statement);
  }
  instruction.op = Op::kAdd;
  instruction.type = Type::kU64;
  const std::uint64_t window = WindowOf(space);
  instruction.b = ConstantSlot({.value = to ? 0 - window : window});
  if (Fault fault = ReadAll(statement, {&instruction.a}, Type::kU64)) return fault;
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  return Emit(instruction);
}

Fault Assembler::Compare(Instruction& instruction, const Statement& statement,
                         Modifiers& modifiers) {
  constexpr std::pair<std::string_view, Comparison> kComparisons[] = {
      {".eq", Comparison::kEq},   {".ne", Comparison::kNe},   {".lt", Comparison::kLt},
      {".le", Comparison::kLe},   {".gt", Comparison::kGt},   {".ge", Comparison::kGe},
      {".lo", Comparison::kLt},   {".ls", Comparison::kLe},   {".hi", Comparison::kGt},
      {".hs", Comparison::kGe},   {".equ", Comparison::kEqu}, {".neu", Comparison::kNeu},
      {".ltu", Comparison::kLtu}, {".leu", Comparison::kLeu}, {".gtu", Comparison::kGtu},
      {".geu", Comparison::kGeu}, {".num", Comparison::kNum}, {".nan", Comparison::kNan}};
  const bool set = instruction.op == Op::kSet;
  instruction.flush = modifiers.Take(".ftz");
  if (modifiers.Take(".and")) instruction.combine = Combine::kAnd;
  if (modifiers.Take(".or")) instruction.combine = Combine::kOr;
  if (modifiers.Take(".xor")) instruction.combine = Combine::kXor;
  if (modifiers.others.size() != 1) return NotInterpreted(statement);
  const auto* known = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                   [&](const auto& c) { return c.first == modifiers.others[0]; });
  if (known == std::end(kComparisons)) return NotInterpreted(statement);
  instruction.comparison = known->second;
  modifiers.others.clear();
  const bool combined = instruction.combine != Combine::kNone;
  if (!modifiers.Done(set ? 2 : 1) || statement.operands.size() != (combined ? 4U : 3U)) {
    return NotInterpreted(statement);
  }
  instruction.type = modifiers.types[0];
  instruction.from = modifiers.types.back();
  Operand target = statement.operands[0];
  if (!target.second.empty()) {
    if (set) return NotInterpreted(statement);
    Operand other = target;
    other.name = target.second;
    other.second = target.second = {};
    if (Fault fault = Write(other, &instruction.d2)) return fault;
  }
  if (Fault fault = Write(target, &instruction.d)) return fault;
  if (Fault fault = Read(statement.operands[1], instruction.from, &instruction.a)) return fault;
  if (Fault fault = Read(statement.operands[2], instruction.from, &instruction.b)) return fault;
  if (combined) {
    instruction.combine_negated = statement.operands[3].negated;
    if (Fault fault = Predicate(statement.operands[3], &instruction.c)) return fault;
  }
  return Emit(instruction);
}

Fault Assembler::Select(Instruction& instruction, const Statement& statement,
                        Modifiers& modifiers) {
  if (!modifiers.Done(1) || statement.operands.size() != 4 || statement.operands[3].negated) {
    return NotInterpreted(statement);
  }
  instruction.type = modifiers.types[0];
  if (Fault fault = Write(statement.operands[0], &instruction.d)) return fault;
  if (Fault fault = Read(statement.operands[1], instruction.type, &instruction.a)) return fault;
  if (Fault fault = Read(statement.operands[2], instruction.type, &instruction.b)) return fault;
  if (Fault fault = Predicate(statement.operands[3], &instruction.c)) return fault;
  return Emit(instruction);
}

Fault Assembler::Branch(Instruction& instruction, const Statement& statement,
                        Modifiers& modifiers) {
  modifiers.Take(".uni");
  if (!modifiers.Done(0) || statement.operands.size() != 1 ||
      statement.operands[0].kind != OperandKind::kName) {
    return NotInterpreted(statement);
  }
  branches_.emplace_back(static_cast<std::uint32_t>(code_.instructions.size()),
                         std::string(statement.operands[0].name));
  return Emit(instruction);
}

// bar.sync and barrier.sync for all threads of a block.
Fault Assembler::Barrier(Instruction& instruction, const Statement& statement,
                         Modifiers& modifiers) {
  modifiers.TakeAll({".aligned", ".cta"});
  if (!modifiers.Take(".sync") || !modifiers.Done(0) || statement.operands.size() != 1) {
    return NotInterpreted(statement);
  }
  code_.has_barrier = true;
  return Emit(instruction);
}

Fault Assembler::Plain(Instruction& instruction, const Statement& statement, Modifiers& modifiers) {
  modifiers.Take(".uni");
  if (!modifiers.Done(0) || !statement.operands.empty()) return NotInterpreted(statement);
  has_effects_ = has_effects_ || instruction.op == Op::kTrap;
  return Emit(instruction);
}

// What orders, hints or waits, and computes nothing.
Fault Assembler::Nothing(Instruction& /*instruction*/, const Statement& /*statement*/,
                         Modifiers& /*modifiers*/) {
  return {};
}

}  // namespace tranche::sim::ptx
