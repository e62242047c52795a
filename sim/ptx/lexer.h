// Lexer cuts PTX text into words.
//
// Threading: one thread.
// Errors: a character that no word of PTX has in it gives a word of kind kBad.
#pragma once

#include <cstdint>
#include <string_view>

namespace tranche::sim::ptx {

enum class WordKind : std::uint8_t {
  kEnd,
  kName,
  kDot,
  kInteger,
  kFloat32,
  kFloat64,
  kText,
  kSign,
  kBad
};

struct Word {
  WordKind kind = WordKind::kEnd;
  std::string_view text;   // of a kDot: with its dot
  std::uint64_t bits = 0;  // of a number
  int line = 1;
  std::string_view cost;  // what a comment `// tranche-cost: …` directly before it says

  [[nodiscard]] bool Is(std::string_view what) const {
    return text == what && kind != WordKind::kText && kind != WordKind::kEnd;
  }
};

class Lexer {
 public:
  explicit Lexer(std::string_view text);

  [[nodiscard]] const Word& word() const { return word_; }  // the one that is looked at
  void Next();
  void SkipLine();  // goes to the first word of the next line

 private:
  void SkipBlanks();
  void ReadNumber();
  void ReadComment();

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  Word word_;
};

}  // namespace tranche::sim::ptx
