#include "sim/ptx/statement_reader.h"

#include <utility>

namespace tranche::sim::ptx {
namespace {

constexpr int kMaxDepth = 4;
constexpr std::size_t kMaxOperands = 64;

}  // namespace

void StatementReader::Fail(std::string error, int line) {
  if (failed_) return;
  failed_ = true;
  error_ = std::move(error);
  error_line_ = line;
}

void StatementReader::Unexpected() {
  const Word& now = word();
  if (now.kind == WordKind::kEnd) return Fail("Parsing error near end of file: syntax error");
  Fail("Parsing error near '" + std::string(now.text.substr(0, 64)) + "': syntax error");
}

bool StatementReader::Take(std::string_view what) {
  if (!word().Is(what)) return false;
  Next();
  return true;
}

bool StatementReader::Expect(std::string_view what) {
  if (Take(what)) return true;
  Unexpected();
  return false;
}

void StatementReader::SkipStatement() {
  while (!failed_ && !word().Is(";")) {
    if (word().kind == WordKind::kEnd || word().kind == WordKind::kBad) return Unexpected();
    Next();
  }
  Take(";");
}

void StatementReader::SkipBraces() {
  if (!Expect("{")) return;
  for (std::size_t depth = 1; !failed_ && depth > 0; Next()) {
    if (word().kind == WordKind::kEnd) return Unexpected();
    if (word().Is("{")) ++depth;
    if (word().Is("}")) --depth;
  }
}

bool StatementReader::ReadStatement(Statement* statement, std::string_view* label) {
  statement->line = word().line;
  if (Take("@")) {
    statement->guard_negated = Take("!");
    statement->guard = word().text;
    if (word().kind != WordKind::kName) Unexpected();
    if (!failed_) Next();
  }
  if (word().kind != WordKind::kName) Unexpected();
  if (failed_) return false;
  statement->opcode = word().text;
  Next();
  if (statement->guard.empty() && Take(":")) {
    *label = statement->opcode;
    return true;
  }
  while (word().kind == WordKind::kDot) {
    if (statement->modifiers.size() >= kMaxOperands) Unexpected();
    statement->modifiers.push_back(word().text);
    Next();
  }
  // Calls have a syntax of their own, and are never interpreted.
  if (statement->opcode == "call") {
    SkipStatement();
    return !failed_;
  }
  if (Take(";")) return true;
  do {
    if (statement->operands.size() >= kMaxOperands) Unexpected();
    if (failed_) return false;
    ReadOperand(&statement->operands.emplace_back(), 0);
  } while (Take(","));
  return Expect(";");
}

void StatementReader::ReadOperand(Operand* operand, int depth) {
  if (word().Is("[")) return ReadAddress(operand);
  if (Take("{")) {
    operand->kind = OperandKind::kVector;
    if (depth >= kMaxDepth) return Unexpected();
    do {
      if (operand->elements.size() >= kMaxOperands) return Unexpected();
      ReadOperand(&operand->elements.emplace_back(), depth + 1);
    } while (!failed_ && Take(","));
    Expect("}");
    return;
  }
  operand->negated = Take("!");
  if (word().kind == WordKind::kName) {
    operand->kind = OperandKind::kName;
    operand->name = word().text;
    Next();
    if (word().kind == WordKind::kDot) {
      operand->part = word().text;
      Next();
    }
    if (Take("|")) {
      operand->second = word().text;
      if (word().kind != WordKind::kName) return Unexpected();
      Next();
    }
    if (word().Is("+") || word().Is("-")) Offset(&operand->offset);
  } else {
    ReadNumber(operand);
  }
  // An expression, or a form that no interpreted instruction has.
  if (!failed_ && !word().Is(",") && !word().Is(";") && !word().Is("}")) SkipOperand(operand);
}

void StatementReader::ReadNumber(Operand* operand) {
  const bool negative = Take("-");
  if (!negative) Take("+");
  switch (word().kind) {
    case WordKind::kInteger:
      operand->kind = OperandKind::kInteger;
      operand->bits = negative ? 0 - word().bits : word().bits;
      break;
    case WordKind::kFloat32:
      operand->kind = OperandKind::kFloat32;
      operand->bits = word().bits ^ (negative ? 1ULL << 31U : 0);
      break;
    case WordKind::kFloat64:
      operand->kind = OperandKind::kFloat64;
      operand->bits = word().bits ^ (negative ? 1ULL << 63U : 0);
      break;
    case WordKind::kSign:
      operand->kind = OperandKind::kOther;
      return;  // skipped by the caller
    default:
      return Unexpected();
  }
  Next();
}

// "+8", "-8" and "+-8".
bool StatementReader::Offset(std::int64_t* offset) {
  bool negative = false;
  while (word().Is("+") || word().Is("-")) {
    negative = negative != word().Is("-");
    Next();
  }
  if (word().kind != WordKind::kInteger) {
    Unexpected();
    return false;
  }
  *offset = static_cast<std::int64_t>(negative ? 0 - word().bits : word().bits);
  Next();
  return true;
}

void StatementReader::ReadAddress(Operand* operand) {
  Next();
  operand->kind = OperandKind::kAddress;
  if (word().kind == WordKind::kName) {
    operand->name = word().text;
    Next();
    if ((word().Is("+") || word().Is("-")) && !Offset(&operand->offset)) return;
  } else if (word().kind == WordKind::kInteger) {
    operand->offset = static_cast<std::int64_t>(word().bits);
    Next();
  }
  if (Take("]")) return;
  // Addresses of textures and tensors have more parts.
  while (!failed_ && !word().Is("]")) {
    if (word().kind == WordKind::kEnd || word().Is(";")) return Unexpected();
    Next();
  }
  operand->kind = OperandKind::kOther;
  Take("]");
}

void StatementReader::SkipOperand(Operand* operand) {
  operand->kind = OperandKind::kOther;
  std::size_t depth = 0;
  while (!failed_) {
    const Word& now = word();
    if (now.kind == WordKind::kEnd || now.kind == WordKind::kBad || now.Is(";")) break;
    if (depth == 0 && (now.Is(",") || now.Is("}"))) return;
    if (now.Is("(") || now.Is("{") || now.Is("[")) ++depth;
    if (depth > 0 && (now.Is(")") || now.Is("}") || now.Is("]"))) --depth;
    Next();
  }
  if (depth > 0 || !word().Is(";")) Unexpected();
}

}  // namespace tranche::sim::ptx
