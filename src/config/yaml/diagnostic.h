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

enum class Severity { kWarning, kError };

// A message for the user about a file. `line` and `column` count from 1; 0 is unknown.
struct Diagnostic {
  Severity severity = Severity::kWarning;
  std::string message;  // what is wrong, without the position
  int line = 0;
  int column = 0;
  bool strict = false;  // accepted, and cannot be meant: an error in `tranche validate`
  std::string instead;  // what to write, "" where `message` says it
};

inline constexpr std::size_t kMaxMistakes = 100;  // of one file

class MistakeList {
 public:
  void Add(Diagnostic one) {
    if (found_.size() < kMaxMistakes) found_.push_back(std::move(one));
  }

  [[nodiscard]] bool full() const { return found_.size() >= kMaxMistakes; }

  // What keeps the config from being used.
  void Error(Mark mark, std::string what, std::string instead) {
    Add({Severity::kError, std::move(what), mark.line, mark.column, false, std::move(instead)});
  }

  // What upstream takes, and nobody can mean.
  void CannotBeMeant(Mark mark, std::string what, std::string instead) {
    Add({Severity::kWarning, std::move(what), mark.line, mark.column, true, std::move(instead)});
  }

  std::vector<Diagnostic> Take() { return std::move(found_); }

 private:
  std::vector<Diagnostic> found_;
};

}  // namespace tranche::config::yaml
