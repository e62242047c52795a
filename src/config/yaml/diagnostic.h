// What is to be said of a file to whoever wrote it, and a bounded list of such messages.
//
// Threading: plain values.
// Errors: none; mistakes beyond kMaxMistakes are dropped.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tranche::config::yaml {

// A place in a text, counted from 1; 0 is unknown.
struct Mark {
  int line = 0;
  int column = 0;
};

enum class Severity {
  kWarning,
  kCannotBeMeant,  // upstream takes it, and it is an error in `tranche validate`
  kError,          // it keeps the config from being used
};

// A message for the user about a file. `line` and `column` count from 1; 0 is unknown.
struct Diagnostic {
  Severity severity = Severity::kWarning;
  std::string message;  // what is wrong, without the position
  int line = 0;
  int column = 0;
  std::string instead;  // what to write, "" where `message` says it
};

inline constexpr std::size_t kMaxMistakes = 100;  // of one file

class MistakeList {
 public:
  void Add(Diagnostic one) {
    if (found_.size() < kMaxMistakes) found_.push_back(std::move(one));
  }

  [[nodiscard]] bool full() const { return found_.size() >= kMaxMistakes; }

  void Error(Mark mark, std::string what, std::string instead) {
    Add({Severity::kError, std::move(what), mark.line, mark.column, std::move(instead)});
  }

  void CannotBeMeant(Mark mark, std::string what, std::string instead) {
    Add({Severity::kCannotBeMeant, std::move(what), mark.line, mark.column, std::move(instead)});
  }

  std::vector<Diagnostic> Take() { return std::move(found_); }

 private:
  std::vector<Diagnostic> found_;
};

}  // namespace tranche::config::yaml
