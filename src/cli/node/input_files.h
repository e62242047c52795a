// The files that `tranche validate` was given, read whole: standard input and folders too.
//
// Threading: one thread.
// Errors: a file that cannot be read is an entry that says why.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tranche::cli::node {

struct InputFile {
  std::string name;  // for people: "<stdin>" for "-"
  std::string text;
  std::string error;      // why there is no text
  bool searched = false;  // found in a folder, not named
};

// "-" is standard input. Folders are read only if `recursive`: their *.yaml, *.yml and *.json, in
// order of their names, without links and what begins with a dot.
std::vector<InputFile> ReadInputFiles(const std::vector<std::string>& names, bool recursive,
                                      std::istream& in);

}  // namespace tranche::cli::node
