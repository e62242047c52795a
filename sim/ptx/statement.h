// Statement is one instruction of PTX text, cut into its parts and not yet understood.
//
// Threading: plain data, which points into the text.
// Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::sim::ptx {

enum class OperandKind : std::uint8_t {
  kName,     // a register or symbol, `offset` added
  kInteger,  // `bits`
  kFloat32,
  kFloat64,
  kAddress,  // [name + offset], or [offset] where the name is empty
  kVector,   // {elements}
  kOther,
};

struct Operand {
  OperandKind kind = OperandKind::kOther;
  std::string_view name;
  std::string_view part;    // ".x" of %tid.x
  std::string_view second;  // "%p2" of "%p1|%p2"
  bool negated = false;     // !name
  std::uint64_t bits = 0;
  std::int64_t offset = 0;
  std::vector<Operand> elements;
};

struct Statement {
  std::string_view opcode;
  std::vector<std::string_view> modifiers;  // with their dots, types included
  std::vector<Operand> operands;
  std::string_view guard;  // the predicate of @%p
  bool guard_negated = false;
  int line = 0;
};

// Why something could not be used.
struct Fault {
  enum class Kind : std::uint8_t { kNone, kUnsupported, kWrong };
  Kind kind = Kind::kNone;
  std::string text;

  static Fault Unsupported(std::string text) { return {Kind::kUnsupported, std::move(text)}; }
  static Fault Wrong(std::string text) { return {Kind::kWrong, std::move(text)}; }
  explicit operator bool() const { return kind != Kind::kNone; }
};

}  // namespace tranche::sim::ptx
