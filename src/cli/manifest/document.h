// The documents of a YAML file, and where a place in a part of it lies in the file.
//
// Threading: plain functions of values.
// Errors: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace tranche::cli::manifest {

// Where a text that is part of a file begins in it: lines above it, and columns that were taken off
// its left. Not exact where the file has it quoted or folded: then only its first line is known.
struct Origin {
  int lines = 0;
  int indent = 0;
  bool exact = true;

  // The place in the file of a place in the text, for whoever reads the file.
  [[nodiscard]] config::Diagnostic InFile(config::Diagnostic one) const;
};

struct Document {
  std::string text;
  Origin origin;
};

// Parted at lines of `---` and `...`; what has only comments, directives and blanks is left out.
std::vector<Document> SplitDocuments(std::string_view file);

// The lines of a text, each found at once. The text has to outlive it.
class Lines {
 public:
  explicit Lines(std::string_view text);

  // Line `number`, counted from 1, without its end; "" where there is none.
  [[nodiscard]] std::string_view At(int number) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

// The lines of a text, without their ends.
std::vector<std::string> SplitLines(std::string_view text);

}  // namespace tranche::cli::manifest
