#include "sim/ptx/parser.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sim/ptx/assembler.h"
#include "sim/ptx/declaration.h"
#include "sim/ptx/lexer.h"
#include "sim/ptx/opcodes.h"
#include "sim/ptx/statement_reader.h"

namespace tranche::sim::ptx {
namespace {

constexpr std::size_t kMaxKernels = 1U << 14U;
constexpr std::size_t kMaxVariables = 1U << 16U;
constexpr std::uint32_t kMaxParamBytes = 32764;  // what CUDA takes at most
constexpr std::size_t kMaxParams = 4096;
constexpr int kMaxDepth = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : reader_(text) {}

  Parsed Parse() {
    Module();
    if (!reader_.failed()) return {.image = std::move(image_)};
    return {.error = reader_.error(), .line = reader_.error_line()};
  }

 private:
  [[nodiscard]] const Word& word() const { return reader_.word(); }
  bool Take(std::string_view what) { return reader_.Take(what); }
  bool Expect(std::string_view what) { return reader_.Expect(what); }

  void Module() {
    Version();
    while (!reader_.failed() && word().kind != WordKind::kEnd) {
      if (word().Is(".loc") || word().Is(".file")) {
        if (word().Is(".loc")) return reader_.Unexpected();
        reader_.SkipLine();
      } else if (Take(".section")) {
        while (!word().Is("{")) {
          if (word().kind == WordKind::kEnd) return reader_.Unexpected();
          reader_.Next();
        }
        reader_.SkipBraces();
      } else if (Take(".alias") || Take(".pragma")) {
        reader_.SkipStatement();
      } else if (Take(";")) {
        continue;
      } else {
        Definition();
      }
    }
  }

  void Version() {
    if (!Expect(".version")) return;
    // "8.4" is read as a number with a point.
    const std::string_view number = word().text;
    const std::size_t point = number.find('.');
    if (word().kind != WordKind::kFloat64 || point != 1 || number.size() < 3) {
      return reader_.Unexpected();
    }
    image_.ptx_version = (number[0] - '0') * 10 + (number[2] - '0');
    reader_.Next();
    if (!Expect(".target")) return;
    Target();
    while (Take(",")) reader_.Next();
    if (Take(".address_size")) {
      if (word().bits != 64) return reader_.Fail("32-bit addresses are not supported");
      reader_.Next();
    }
  }

  void Target() {
    std::string_view target = word().text;
    if (!target.starts_with("sm_") && !target.starts_with("compute_")) return reader_.Unexpected();
    target.remove_prefix(target.find('_') + 1);
    while (!target.empty() && target[0] >= '0' && target[0] <= '9' && image_.architecture < 1000) {
      image_.architecture = image_.architecture * 10 + (target[0] - '0');
      target.remove_prefix(1);
    }
    image_.exact = target == "a";
    if (image_.architecture == 0 || image_.architecture >= 1000) return reader_.Unexpected();
    reader_.Next();
  }

  // What stands at the top of a module: a kernel, a function or a variable.
  void Definition() {
    bool external = false;
    const std::string_view cost = word().cost;
    while (word().Is(".visible") || word().Is(".weak") || word().Is(".extern") ||
           word().Is(".common")) {
      external = external || word().Is(".extern");
      reader_.Next();
    }
    if (Take(".entry")) return Entry(cost);
    if (Take(".func")) return Function();
    Declaration declaration;
    if (!reader_.ReadDeclaration(&declaration)) return;
    declaration.external = external;
    Declare(std::move(declaration));
  }

  void Declare(Declaration declaration) {
    for (DeclaredName& name : declaration.names) {
      if (declaration.space == ".shared") {
        const bool dynamic = declaration.external && name.size == 0;
        shared_[name.name] = {
            .size = name.size, .alignment = declaration.alignment, .dynamic = dynamic};
        continue;
      }
      if (declaration.space != ".global" && declaration.space != ".const") continue;
      if (image_.variables.size() >= kMaxVariables) return reader_.Fail("too many variables");
      const auto index = static_cast<std::uint32_t>(image_.variables.size());
      if (!variables_.emplace(name.name, index).second) {
        return reader_.Fail("Duplicate definition of variable '" + name.name + "'");
      }
      image_.variables.push_back(
          {.name = std::move(name.name),
           .space = declaration.space == ".const" ? VariableSpace::kConst : VariableSpace::kGlobal,
           .managed = declaration.managed,
           .external = declaration.external,
           .size = name.size,
           .alignment = declaration.alignment,
           .initial = std::move(name.initial),
           .pointers = std::move(name.pointers)});
    }
  }

  // A function has no code of interest: whoever calls it is not interpreted.
  void Function() {
    while (!reader_.failed() && !word().Is("{") && !word().Is(";")) {
      if (word().kind == WordKind::kEnd) return reader_.Unexpected();
      reader_.Next();
    }
    if (Take(";")) return;
    reader_.SkipBraces();
  }

  void Entry(std::string_view cost) {
    Kernel kernel;
    kernel.name = std::string(word().text);
    if (word().kind != WordKind::kName) return reader_.Unexpected();
    reader_.Next();
    if (Take("(")) Params(&kernel);
    EntryDirectives(&kernel);
    if (reader_.failed()) return;
    if (Take(";")) return;  // announced, defined later
    if (image_.kernels.size() >= kMaxKernels) return reader_.Fail("too many kernels");
    if (!names_.insert(kernel.name).second) {
      return reader_.Fail("Duplicate definition of function '" + kernel.name + "'");
    }
    ReadCost(cost, &kernel);
    Assembler assembler(variables_, shared_, kernel.params);
    if (!Expect("{")) return;
    Body(assembler);
    if (reader_.failed()) return;
    const Fault fault = assembler.Finish(&kernel);
    if (fault) return reader_.Fail(fault.text);
    image_.kernels.push_back(std::move(kernel));
  }

  // "param 0 ns". Another text says nothing that we know.
  static void ReadCost(std::string_view cost, Kernel* kernel) {
    constexpr std::string_view kBegin = "param ";
    constexpr std::string_view kEnd = " ns";
    if (!cost.starts_with(kBegin) || !cost.ends_with(kEnd)) return;
    cost.remove_prefix(kBegin.size());
    cost.remove_suffix(std::min(kEnd.size(), cost.size()));
    if (cost.empty() || cost.size() > 3) return;
    std::uint32_t index = 0;
    for (const char digit : cost) {
      if (digit < '0' || digit > '9') return;
      index = index * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    if (index >= kernel->params.size()) return;
    const std::uint32_t size = kernel->params[index].size;
    if (size == 4 || size == 8) kernel->cost_param = index;
  }

  void Params(Kernel* kernel) {
    if (Take(")")) return;
    do {
      Declaration declaration;
      if (!word().Is(".param")) return reader_.Unexpected();
      if (!reader_.ReadParam(&declaration)) return;
      DeclaredName& name = declaration.names[0];
      const auto alignment = static_cast<std::uint32_t>(declaration.alignment);
      const std::uint32_t offset = (kernel->param_bytes + alignment - 1) / alignment * alignment;
      if (name.size > kMaxParamBytes || offset + name.size > kMaxParamBytes ||
          kernel->params.size() >= kMaxParams) {
        return reader_.Fail("Formal parameter space overflowed");
      }
      kernel->params.push_back({.name = std::move(name.name),
                                .offset = offset,
                                .size = static_cast<std::uint32_t>(name.size)});
      kernel->param_bytes = offset + static_cast<std::uint32_t>(name.size);
    } while (Take(","));
    Expect(")");
  }

  void EntryDirectives(Kernel* kernel) {
    while (!reader_.failed() && word().kind == WordKind::kDot) {
      const std::string_view directive = word().text;
      reader_.Next();
      if (directive == ".pragma") {
        reader_.SkipStatement();
        continue;
      }
      std::uint64_t numbers[3] = {1, 1, 1};
      std::size_t count = 0;
      while (word().kind == WordKind::kInteger) {
        if (count < 3) numbers[count++] = std::min<std::uint64_t>(word().bits, 1U << 20U);
        reader_.Next();
        Take(",");
      }
      const std::uint64_t product = numbers[0] * numbers[1] * numbers[2];
      if (directive == ".maxntid" || directive == ".reqntid") {
        kernel->max_threads = static_cast<std::uint32_t>(std::min<std::uint64_t>(product, 1024));
      }
      if (directive != ".reqntid") continue;
      for (std::size_t i = 0; i < 3; ++i)
        kernel->required[i] = static_cast<std::uint32_t>(numbers[i]);
    }
  }

  // The statements of a kernel, up to the brace that closes it.
  void Body(Assembler& assembler) {
    int depth = 1;
    while (!reader_.failed()) {
      if (word().kind == WordKind::kEnd) return reader_.Unexpected();
      if (Take("{")) {
        if (++depth > kMaxDepth) return reader_.Fail("too many nested scopes");
        assembler.OpenScope();
      } else if (Take("}")) {
        if (--depth == 0) return;
        assembler.CloseScope();
      } else if (word().Is(".loc") || word().Is(".file")) {
        reader_.SkipLine();
      } else if (Take(".pragma") || Take(".branchtargets") || Take(".calltargets") ||
                 Take(".callprototype")) {
        reader_.SkipStatement();
      } else if (Take(".reg")) {
        Registers(assembler);
      } else if (word().kind == WordKind::kDot) {
        Variables(assembler);
      } else if (!Take(";")) {
        Instruction(assembler);
      }
    }
  }

  void Registers(Assembler& assembler) {
    while (word().kind == WordKind::kDot) {
      if (!LooksLikeType(word().text) && word().text != ".v2" && word().text != ".v4") {
        return reader_.Unexpected();
      }
      reader_.Next();
    }
    do {
      const std::string_view name = word().text;
      if (word().kind != WordKind::kName) return reader_.Unexpected();
      reader_.Next();
      if (!Take("<")) {
        assembler.DeclareRegister(name);
        continue;
      }
      if (word().kind != WordKind::kInteger) return reader_.Unexpected();
      const auto count =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(word().bits, 1U << 30U));
      reader_.Next();
      if (!Expect(">")) return;
      assembler.DeclareRegisters(name, count);
    } while (Take(","));
    Expect(";");
  }

  void Variables(Assembler& assembler) {
    Declaration declaration;
    declaration.external = Take(".extern");
    if (!reader_.ReadDeclaration(&declaration)) return;
    for (const DeclaredName& name : declaration.names) {
      const Local variable{.size = name.size,
                           .alignment = declaration.alignment,
                           .dynamic = declaration.external && name.size == 0};
      if (declaration.space == ".shared") {
        assembler.DeclareShared(name.name, variable);
      } else if (declaration.space == ".local") {
        assembler.DeclareLocal(name.name, variable);
      }
    }
    // Parameters are those of calls. Global variables are the module's.
    if (declaration.space == ".global" || declaration.space == ".const") {
      Declare(std::move(declaration));
    }
  }

  void Instruction(Assembler& assembler) {
    Statement statement;
    std::string_view label;
    if (!reader_.ReadStatement(&statement, &label)) return;
    if (!label.empty()) return assembler.PlaceLabel(label);
    if (!IsOpcode(statement.opcode)) {
      return reader_.Fail(
          "Not a name of any known instruction: '" + std::string(statement.opcode) + "'",
          statement.line);
    }
    const Fault fault = assembler.Add(statement);
    if (fault) reader_.Fail(fault.text, statement.line);
  }

  StatementReader reader_;
  Image image_;
  std::map<std::string, std::uint32_t, std::less<>> variables_;
  std::map<std::string, Local, std::less<>> shared_;
  std::set<std::string, std::less<>> names_;  // of kernels
};

}  // namespace

Parsed ParsePtx(std::string_view text) {
  // As the driver gets it: a text with its end in it.
  return Parser(text.substr(0, text.find('\0'))).Parse();
}

}  // namespace tranche::sim::ptx
