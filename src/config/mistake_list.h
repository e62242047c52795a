// A list of what is wrong with one file, bounded.
//
// Threading: a plain value.
// Errors: none; mistakes beyond kMaxMistakes are dropped.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "config/load.h"
#include "config/node.h"

namespace tranche::config {

inline constexpr std::size_t kMaxMistakes = 100;  // of one file

class MistakeList {
 public:
  void Add(Diagnostic one) {
    if (found_.size() < kMaxMistakes) found_.push_back(std::move(one));
  }

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

}  // namespace tranche::config
