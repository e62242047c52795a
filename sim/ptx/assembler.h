// Assembler makes a kernel's Code of its statements.
//
// It goes on until something is not in the subset of PTX that can be interpreted. From then on it
// only remembers what that was, and the kernel gets no code.
//
// Threading: one thread.
// Errors: Fault::kWrong for what no assembler of PTX would take: names that are not declared.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/ptx/code.h"
#include "sim/ptx/image.h"
#include "sim/ptx/statement.h"

namespace tranche::sim::ptx {

// A variable that each block or each thread has of its own.
struct Local {
  std::uint64_t size = 0;
  std::uint64_t alignment = 1;
  bool dynamic = false;  // extern .shared: as large as the launch says
};

class Assembler {
 public:
  // `variables` and `shared` are those of the module.
  Assembler(const std::map<std::string, std::uint32_t, std::less<>>& variables,
            const std::map<std::string, Local, std::less<>>& shared,
            const std::vector<Param>& params);

  void OpenScope();
  void CloseScope();
  void DeclareRegister(std::string_view name);
  // Registers NAME0, NAME1, ….
  void DeclareRegisters(std::string_view name, std::uint32_t count);
  void DeclareShared(std::string_view name, const Local& variable);
  void DeclareLocal(std::string_view name, const Local& variable);
  void PlaceLabel(std::string_view name);
  Fault Add(const Statement& statement);
  void GiveUp(std::string why);

  Fault Finish(Kernel* kernel);

 private:
  struct Symbol {
    enum class Kind : std::uint8_t { kRegisters, kShared, kLocal } kind = Kind::kRegisters;
    std::uint32_t first = 0;  // slot, or offset
    std::uint32_t count = 1;
    bool dynamic = false;
  };
  using Scope = std::map<std::string, Symbol, std::less<>>;
  struct Modifiers;
  using Handler = Fault (Assembler::*)(Instruction&, const Statement&, Modifiers&);
  struct Known {
    Op op;
    Handler handler;
  };
  static const Known* Find(std::string_view opcode);

  // What a name stands for where it is read.
  struct Place {
    std::uint32_t slot = kNoSlot;
    std::optional<Space> space;  // of a variable
  };
  void TakeRegisters(const std::string& key, std::uint32_t count);
  std::optional<std::uint32_t> Register(std::string_view name) const;
  std::optional<std::uint32_t> SpecialRegister(const Operand& operand) const;
  std::optional<Symbol> Variable(std::string_view name);
  Fault Resolve(const Operand& operand, Place* place);
  Fault Read(const Operand& operand, Type type, std::uint32_t* slot);
  Fault Write(const Operand& operand, std::uint32_t* slot);
  Fault Predicate(const Operand& operand, std::uint32_t* slot);
  Fault Address(const Operand& operand, Instruction& instruction);
  std::uint32_t ConstantSlot(const Constant& constant);

  Fault ReadAll(const Statement& statement, std::initializer_list<std::uint32_t*> slots, Type type);
  Fault Emit(const Instruction& instruction);

  Fault Move(Instruction&, const Statement&, Modifiers&);
  Fault Pack(Instruction&, const Statement&);
  Fault Unpack(Instruction&, const Statement&);
  Fault Access(Instruction&, const Statement&, Modifiers&);
  Fault AtomicAccess(Instruction&, const Statement&, Modifiers&);
  Fault ToSpace(Instruction&, const Statement&, Modifiers&);
  Fault Real(Instruction&, const Statement&, Modifiers&);
  Fault Unary(Instruction&, const Statement&, Modifiers&);
  Fault Binary(Instruction&, const Statement&, Modifiers&);
  Fault Multiply(Instruction&, const Statement&, Modifiers&);
  Fault Shift(Instruction&, const Statement&, Modifiers&);
  Fault Compare(Instruction&, const Statement&, Modifiers&);
  Fault Select(Instruction&, const Statement&, Modifiers&);
  Fault Convert(Instruction&, const Statement&, Modifiers&);
  Fault Bits(Instruction&, const Statement&, Modifiers&);
  Fault Branch(Instruction&, const Statement&, Modifiers&);
  Fault Barrier(Instruction&, const Statement&, Modifiers&);
  Fault Plain(Instruction&, const Statement&, Modifiers&);
  Fault Nothing(Instruction&, const Statement&, Modifiers&);

  const std::map<std::string, std::uint32_t, std::less<>>& variables_;
  const std::map<std::string, Local, std::less<>>& module_shared_;
  const std::vector<Param>& params_;
  std::vector<Scope> scopes_;
  std::map<std::string, std::optional<std::uint32_t>, std::less<>> labels_;  // none: two of them
  std::vector<std::pair<std::uint32_t, std::string>> branches_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> constants_;
  std::uint64_t shared_end_ = 0;
  std::uint64_t dynamic_alignment_ = 1;
  std::uint64_t local_end_ = 0;
  Code code_;
  bool has_effects_ = false;
  std::string obstacle_;
};

}  // namespace tranche::sim::ptx
