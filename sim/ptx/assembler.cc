#include "sim/ptx/assembler.h"

#include <algorithm>
#include <bit>
#include <memory>

namespace tranche::sim::ptx {
namespace {

constexpr std::uint32_t kMaxRegisters = 1U << 15U;
constexpr std::size_t kMaxInstructions = 1U << 20U;
constexpr std::uint64_t kMaxLocal = 512U << 10U;  // what CUDA gives a thread at most
constexpr std::uint64_t kMaxShared = 256U << 10U;

// Slots of constants and special registers until it is known how many registers there are.
constexpr std::uint32_t kConstantMark = 0x80000000;
constexpr std::uint32_t kSpecialMark = 0xC0000000;
constexpr std::uint32_t kMarkMask = 0xC0000000;

std::uint64_t RoundUp(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

struct SpecialName {
  std::string_view name;
  Special special;
  bool has_parts;
};
constexpr SpecialName kSpecials[] = {
    {"%tid", Special::kTidX, true},     {"%ntid", Special::kNtidX, true},
    {"%ctaid", Special::kCtaidX, true}, {"%nctaid", Special::kNctaidX, true},
    {"%laneid", Special::kLane, false}, {"%warpid", Special::kWarp, false},
    {"%smid", Special::kZero, false},   {"%dynamic_smem_size", Special::kDynamicShared, false},
};

// A number of the text as the bits of `type`.
std::uint64_t NumberBits(const Operand& operand, Type type) {
  const bool is_float = type == Type::kF32 || type == Type::kF64;
  if (type == Type::kPred) return operand.bits != 0 ? 1 : 0;
  if (operand.kind == OperandKind::kInteger && !is_float) return operand.bits;
  if (operand.kind == OperandKind::kFloat32 && type != Type::kF64) return operand.bits;
  if (operand.kind == OperandKind::kFloat64 && type != Type::kF32) return operand.bits;
  const double value =
      operand.kind == OperandKind::kFloat64 ? std::bit_cast<double>(operand.bits)
      : operand.kind == OperandKind::kFloat32
          ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(operand.bits)))
          : static_cast<double>(static_cast<std::int64_t>(operand.bits));
  if (type == Type::kF64) return std::bit_cast<std::uint64_t>(value);
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

}  // namespace

Assembler::Assembler(const std::map<std::string, std::uint32_t, std::less<>>& variables,
                     const std::map<std::string, Local, std::less<>>& shared,
                     const std::vector<Param>& params)
    : variables_(variables), module_shared_(shared), params_(params), scopes_(1) {}

void Assembler::GiveUp(std::string why) {
  if (obstacle_.empty()) obstacle_ = std::move(why);
}

void Assembler::OpenScope() { scopes_.emplace_back(); }

void Assembler::CloseScope() {
  if (scopes_.size() > 1) scopes_.pop_back();
}

void Assembler::DeclareRegister(std::string_view name) { TakeRegisters(std::string(name), 1); }

void Assembler::DeclareRegisters(std::string_view name, std::uint32_t count) {
  // The group is found by its name with a sign behind it that no name has.
  TakeRegisters(std::string(name) + '<', count);
}

void Assembler::TakeRegisters(const std::string& key, std::uint32_t count) {
  if (count > kMaxRegisters - code_.registers) return GiveUp("it has too many registers");
  scopes_.back()[key] = {
      .kind = Symbol::Kind::kRegisters, .first = code_.registers, .count = count};
  code_.registers += count;
}

void Assembler::DeclareShared(std::string_view name, const Local& variable) {
  Symbol symbol{.kind = Symbol::Kind::kShared, .dynamic = variable.dynamic};
  if (variable.dynamic) {
    dynamic_alignment_ = std::max(dynamic_alignment_, variable.alignment);
  } else {
    const std::uint64_t begin = RoundUp(shared_end_, variable.alignment);
    if (variable.size > kMaxShared || begin + variable.size > kMaxShared) {
      return GiveUp("it has too much shared memory");
    }
    symbol.first = static_cast<std::uint32_t>(begin);
    shared_end_ = begin + variable.size;
  }
  scopes_.back()[std::string(name)] = symbol;
}

void Assembler::DeclareLocal(std::string_view name, const Local& variable) {
  const std::uint64_t begin = RoundUp(local_end_, variable.alignment);
  if (variable.size > kMaxLocal || begin + variable.size > kMaxLocal) {
    return GiveUp("it has too much local memory");
  }
  scopes_.back()[std::string(name)] = {.kind = Symbol::Kind::kLocal,
                                       .first = static_cast<std::uint32_t>(begin)};
  local_end_ = begin + variable.size;
}

void Assembler::PlaceLabel(std::string_view name) {
  const auto here = static_cast<std::uint32_t>(code_.instructions.size());
  const auto [label, added] = labels_.emplace(name, here);
  if (!added) label->second.reset();
}

std::optional<std::uint32_t> Assembler::Register(std::string_view name) const {
  std::size_t stem = name.size();
  while (stem > 0 && name[stem - 1] >= '0' && name[stem - 1] <= '9') --stem;
  std::uint32_t number = kMaxRegisters;
  // "%r01" is not one of %r<2>.
  const bool canonical = stem + 1 == name.size() || (stem < name.size() && name[stem] != '0');
  if (canonical && name.size() - stem <= 6) {
    number = 0;
    for (const char digit : name.substr(stem)) {
      number = number * 10 + static_cast<std::uint32_t>(digit - '0');
    }
  }
  const std::string group = std::string(name.substr(0, stem)) + '<';
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto exact = scope->find(name);
    if (exact != scope->end() && exact->second.kind == Symbol::Kind::kRegisters) {
      return exact->second.first;
    }
    const auto found = scope->find(group);
    if (found != scope->end() && number < found->second.count) return found->second.first + number;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Assembler::SpecialRegister(const Operand& operand) const {
  for (const SpecialName& known : kSpecials) {
    if (known.name != operand.name) continue;
    auto slot = static_cast<std::uint32_t>(known.special);
    if (known.has_parts) {
      if (operand.part == ".w") {
        slot = static_cast<std::uint32_t>(Special::kZero);
      } else if (operand.part == ".x" || operand.part == ".y" || operand.part == ".z") {
        slot += static_cast<std::uint32_t>(operand.part[1] - 'x');
      } else {
        return std::nullopt;
      }
    }
    return kSpecialMark | slot;
  }
  return std::nullopt;
}

std::optional<Assembler::Symbol> Assembler::Variable(std::string_view name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(name);
    if (found != scope->end()) return found->second;
  }
  const auto shared = module_shared_.find(name);
  if (shared == module_shared_.end()) return std::nullopt;
  // The first one who names it brings it into the kernel.
  std::swap(scopes_.front(), scopes_.back());
  DeclareShared(name, shared->second);
  std::swap(scopes_.front(), scopes_.back());
  const auto declared = scopes_.front().find(name);
  return declared == scopes_.front().end() ? std::nullopt : std::optional(declared->second);
}

std::uint32_t Assembler::ConstantSlot(const Constant& constant) {
  const auto key = std::pair((static_cast<std::uint64_t>(constant.kind) << 32U) | constant.variable,
                             constant.value);
  const auto index = static_cast<std::uint32_t>(code_.constants.size());
  const auto [place, added] = constants_.emplace(key, index);
  if (added) code_.constants.push_back(constant);
  return kConstantMark | place->second;
}

Fault Assembler::Resolve(const Operand& operand, Place* place) {
  if (const auto slot = Register(operand.name)) {
    place->slot = *slot;
    return {};
  }
  const auto plus = static_cast<std::uint64_t>(operand.offset);
  if (const auto symbol = Variable(operand.name)) {
    place->space = symbol->kind == Symbol::Kind::kShared ? Space::kShared : Space::kLocal;
    place->slot =
        ConstantSlot({.kind = symbol->dynamic ? ConstantKind::kDynamic : ConstantKind::kValue,
                      .value = symbol->first + plus});
    return {};
  }
  for (const Param& param : params_) {
    if (param.name != operand.name) continue;
    place->space = Space::kParam;
    place->slot = ConstantSlot({.value = param.offset + plus});
    return {};
  }
  const auto variable = variables_.find(operand.name);
  if (variable != variables_.end()) {
    place->space = Space::kGlobal;
    place->slot = ConstantSlot(
        {.kind = ConstantKind::kVariable, .variable = variable->second, .value = plus});
    return {};
  }
  if (operand.name.starts_with("%")) {
    return Fault::Unsupported("it reads " + std::string(operand.name));
  }
  return Fault::Wrong("Unknown symbol '" + std::string(operand.name) + "'");
}

Fault Assembler::Read(const Operand& operand, Type type, std::uint32_t* slot) {
  switch (operand.kind) {
    case OperandKind::kInteger:
    case OperandKind::kFloat32:
    case OperandKind::kFloat64:
      *slot = ConstantSlot({.value = NumberBits(operand, type)});
      return {};
    case OperandKind::kName: {
      if (operand.negated || !operand.second.empty()) break;
      if (const auto special = SpecialRegister(operand)) {
        *slot = *special;
        return {};
      }
      if (operand.name == "WARP_SZ") {
        *slot = ConstantSlot({.value = 32});
        return {};
      }
      if (!operand.part.empty()) break;
      Place place;
      Fault fault = Resolve(operand, &place);
      // To add to a register is for addresses only.
      if (!fault && !place.space && operand.offset != 0) break;
      *slot = place.slot;
      return fault;
    }
    default:
      break;
  }
  return Fault::Unsupported("it has an operand of a kind that is not interpreted");
}

Fault Assembler::Predicate(const Operand& operand, std::uint32_t* slot) {
  if (operand.kind != OperandKind::kName) return Read(operand, Type::kPred, slot);
  const auto found = Register(operand.name);
  if (!found) return Fault::Wrong("Unknown symbol '" + std::string(operand.name) + "'");
  *slot = *found;
  return {};
}

Fault Assembler::Write(const Operand& operand, std::uint32_t* slot) {
  if (operand.kind != OperandKind::kName || operand.negated || !operand.part.empty()) {
    return Fault::Unsupported("it writes to an operand of a kind that is not interpreted");
  }
  if (operand.name == "_") {
    if (!Register("_")) DeclareRegister("_");
  }
  const auto found = Register(operand.name);
  if (!found) return Fault::Wrong("Unknown symbol '" + std::string(operand.name) + "'");
  *slot = *found;
  return {};
}

Fault Assembler::Address(const Operand& operand, Instruction& instruction) {
  if (operand.kind != OperandKind::kAddress) {
    return Fault::Unsupported("it has an address of a kind that is not interpreted");
  }
  if (operand.name.empty()) {
    instruction.a = ConstantSlot({});
    instruction.offset = operand.offset;
    return {};
  }
  Operand base = operand;
  base.offset = 0;
  Place place;
  Fault fault = Resolve(base, &place);
  if (fault) return fault;
  instruction.a = place.slot;
  instruction.offset = operand.offset;
  // An address without a space of its own is in that of the variable.
  if (place.space && instruction.space == Space::kGeneric) instruction.space = *place.space;
  return {};
}

Fault Assembler::Emit(const Instruction& instruction) {
  if (code_.instructions.size() >= kMaxInstructions) {
    return Fault::Unsupported("it has too many instructions");
  }
  code_.instructions.push_back(instruction);
  return {};
}

Fault Assembler::Finish(Kernel* kernel) {
  kernel->shared_bytes = static_cast<std::uint32_t>(shared_end_);
  kernel->local_bytes = static_cast<std::uint32_t>(local_end_);
  if (obstacle_.empty()) {
    for (const auto& [at, name] : branches_) {
      const auto label = labels_.find(name);
      if (label == labels_.end()) return Fault::Wrong("Label '" + name + "' is not defined");
      if (!label->second) GiveUp("it has two labels of one name");
      code_.instructions[at].target = label->second.value_or(0);
    }
  }
  if (!obstacle_.empty()) {
    kernel->obstacle = obstacle_;
    return {};
  }
  code_.instructions.push_back({.op = Op::kExit});
  code_.dynamic_shared = RoundUp(shared_end_, dynamic_alignment_);
  for (Constant& constant : code_.constants) {
    if (constant.kind != ConstantKind::kDynamic) continue;
    constant = {.value = constant.value + code_.dynamic_shared};
  }
  const auto settle = [this](std::uint32_t& slot) {
    if (slot == kNoSlot || (slot & kConstantMark) == 0) return;
    const std::uint32_t index = slot & ~kMarkMask;
    slot = (slot & kMarkMask) == kSpecialMark ? code_.SpecialSlot(static_cast<Special>(index))
                                              : code_.registers + index;
  };
  for (Instruction& instruction : code_.instructions) {
    for (std::uint32_t* slot : {&instruction.a, &instruction.b, &instruction.c, &instruction.e}) {
      settle(*slot);
    }
  }
  kernel->has_effects = has_effects_;
  kernel->code = std::make_shared<const Code>(std::move(code_));
  return {};
}

}  // namespace tranche::sim::ptx
