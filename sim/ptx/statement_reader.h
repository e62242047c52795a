// StatementReader reads the statements and declarations of PTX text one after the other.
//
// Threading: one thread.
// Errors: the first one stays, with its line, and ends the text.
#pragma once

#include <string>
#include <string_view>

#include "sim/ptx/declaration.h"
#include "sim/ptx/lexer.h"
#include "sim/ptx/statement.h"

namespace tranche::sim::ptx {

class StatementReader {
 public:
  explicit StatementReader(std::string_view text) : lexer_(text) {}

  [[nodiscard]] const Word& word() const { return failed_ ? end_ : lexer_.word(); }
  void Next() { lexer_.Next(); }
  void SkipLine() { lexer_.SkipLine(); }
  bool Take(std::string_view what);    // if that is what comes
  bool Expect(std::string_view what);  // an error if not
  void SkipStatement();                // what comes, up to the semicolon
  void SkipBraces();                   // from the opening brace to its counterpart

  // "@%p add.s32 %r1, %r2, 4;" or "label:".
  bool ReadStatement(Statement* statement, std::string_view* label);
  // ".global .align 4 .u32 a = 1, b[2];"
  bool ReadDeclaration(Declaration* declaration);
  bool ReadParam(Declaration* declaration);  // one, up to its comma

  void Unexpected();  // an error at the word that comes
  void Fail(std::string error) { Fail(std::move(error), lexer_.word().line); }
  void Fail(std::string error, int line);
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] int error_line() const { return error_line_; }

 private:
  void Call(Statement* statement);
  void ReadOperand(Operand* operand, int depth);
  void ReadAddress(Operand* operand);
  void ReadNumber(Operand* operand);
  void SkipOperand(Operand* operand);
  bool Offset(std::int64_t* offset);
  bool DeclarationHead(Declaration* declaration, unsigned* element);
  bool DeclaredVariable(unsigned element, DeclaredName* name);
  void Initial(unsigned element, DeclaredName* name, int depth);
  void InitialValue(unsigned element, DeclaredName* name);

  Lexer lexer_;
  bool failed_ = false;
  Word end_;
  std::string error_;
  int error_line_ = 0;
};

}  // namespace tranche::sim::ptx
