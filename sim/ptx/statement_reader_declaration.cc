// How variables are declared.
#include <algorithm>
#include <bit>

#include "sim/ptx/opcodes.h"
#include "sim/ptx/statement_reader.h"

namespace tranche::sim::ptx {
namespace {

constexpr std::uint64_t kMaxSize = 1ULL << 40U;
constexpr std::uint64_t kMaxInitial = 256U << 20U;
constexpr int kMaxDepth = 8;

bool IsSpace(std::string_view word) {
  return word == ".global" || word == ".const" || word == ".shared" || word == ".local" ||
         word == ".param" || word == ".tex";
}

// Objects that stand for textures: eight bytes of which nothing is known.
bool IsOpaque(std::string_view word) {
  return word == ".texref" || word == ".samplerref" || word == ".surfref";
}

}  // namespace

bool StatementReader::DeclarationHead(Declaration* declaration, unsigned* element) {
  unsigned vector = 1;
  *element = 0;
  bool aligned = false;
  while (!failed_ && word().kind == WordKind::kDot) {
    const std::string_view directive = word().text;
    Next();
    if (IsSpace(directive)) {
      declaration->space = directive;
    } else if (directive == ".align") {
      if (word().kind != WordKind::kInteger || !std::has_single_bit(word().bits) ||
          word().bits > 4096) {
        Unexpected();
        return false;
      }
      declaration->alignment = word().bits;
      aligned = true;
      Next();
    } else if (directive == ".attribute") {
      if (!Expect("(")) return false;
      while (!failed_ && !Take(")")) {
        declaration->managed = declaration->managed || word().Is(".managed");
        if (word().kind == WordKind::kEnd) Unexpected();
        Next();
      }
    } else if (directive == ".v2" || directive == ".v4") {
      vector = static_cast<unsigned>(directive[2] - '0');
    } else if (IsOpaque(directive)) {
      *element = 8;
    } else if (const unsigned size = StorageSize(directive); size != 0) {
      *element = size;
    } else {
      Fail("Parsing error near '" + std::string(directive) + "': syntax error");
    }
  }
  if (*element == 0 || declaration->space.empty()) Unexpected();
  if (failed_) return false;
  *element *= vector;
  if (!aligned) declaration->alignment = *element;
  return true;
}

bool StatementReader::DeclaredVariable(unsigned element, DeclaredName* name) {
  if (word().kind != WordKind::kName) {
    Unexpected();
    return false;
  }
  name->name = std::string(word().text);
  Next();
  std::uint64_t count = 1;
  bool open = false;  // "[]": as large as its content
  while (Take("[")) {
    if (Take("]")) {
      open = true;
      continue;
    }
    if (word().kind != WordKind::kInteger) {
      Unexpected();
      return false;
    }
    if (word().bits > kMaxSize || count > kMaxSize / std::max<std::uint64_t>(word().bits, 1)) {
      Fail("'" + name->name + "' is too large");
      return false;
    }
    count *= word().bits;
    Next();
    if (!Expect("]")) return false;
  }
  if (count > kMaxSize / element) {
    Fail("'" + name->name + "' is too large");
    return false;
  }
  name->size = open ? 0 : count * element;
  if (Take("=")) {
    Initial(element, name, 0);
    name->size = std::max<std::uint64_t>(name->size, name->initial.size());
  }
  return !failed_;
}

void StatementReader::Initial(unsigned element, DeclaredName* name, int depth) {
  if (!Take("{")) return InitialValue(element, name);
  if (depth >= kMaxDepth) return Unexpected();
  if (Take("}")) return;
  do {
    Initial(element, name, depth + 1);
  } while (!failed_ && Take(","));
  Expect("}");
}

void StatementReader::InitialValue(unsigned element, DeclaredName* name) {
  if (name->initial.size() + element > kMaxInitial) return Fail("too much initial content");
  const std::size_t at = name->initial.size();
  name->initial.resize(at + element);
  // "generic(name)+4": the address of another variable.
  const bool generic = Take("generic");
  if (generic && !Expect("(")) return;
  if (word().kind == WordKind::kName) {
    Pointer pointer{.at = at, .to = std::string(word().text)};
    Next();
    if (generic && !Expect(")")) return;
    std::int64_t plus = 0;
    if ((word().Is("+") || word().Is("-")) && !Offset(&plus)) return;
    pointer.plus = static_cast<std::uint64_t>(plus);
    if (element == 8) name->pointers.push_back(std::move(pointer));
    return;
  }
  Operand value;
  ReadNumber(&value);
  if (failed_ || value.kind == OperandKind::kOther) return Unexpected();
  std::uint64_t bits = value.bits;
  if (value.kind == OperandKind::kFloat64 && element == 4) {
    bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
  }
  for (unsigned i = 0; i < std::min(element, 8U); ++i) {
    name->initial[at + i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
}

bool StatementReader::ReadDeclaration(Declaration* declaration) {
  unsigned element = 0;
  if (!DeclarationHead(declaration, &element)) return false;
  do {
    if (!DeclaredVariable(element, &declaration->names.emplace_back())) return false;
  } while (Take(","));
  return Expect(";");
}

bool StatementReader::ReadParam(Declaration* declaration) {
  unsigned element = 0;
  std::uint64_t alignment = 0;
  if (!Expect(".param")) return false;
  declaration->space = ".param";
  // ".u64 .ptr .global .align 1": what a pointer points to is not the parameter's.
  while (!failed_ && word().kind == WordKind::kDot) {
    const std::string_view directive = word().text;
    Next();
    if (directive == ".align" && word().kind == WordKind::kInteger) {
      if (element == 0) alignment = word().bits;
      Next();
    } else if (const unsigned size = StorageSize(directive); size != 0) {
      element = size;
    } else if (IsOpaque(directive)) {
      element = 8;
    }
  }
  if (element == 0 || (alignment != 0 && (!std::has_single_bit(alignment) || alignment > 4096))) {
    Unexpected();
    return false;
  }
  declaration->alignment = alignment != 0 ? alignment : element;
  return DeclaredVariable(element, &declaration->names.emplace_back());
}

}  // namespace tranche::sim::ptx
