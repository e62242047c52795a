// A ConfigMap whose profiles have lost their indentation, as it happens on the way from a web page:
// every line of them begins at the left, and YAML reads their keys as the ConfigMap's own. Or only
// the name of a profile does, and its text has kept its indentation.
//
// Threading: pure; any thread.
// Errors: nothing where no indentation is lost, or where it cannot be told what it was.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::cli::manifest {

struct LostProfile {
  int line = 0;       // counted from 1
  int column = 0;     // of its key
  std::string name;   // "any"
  std::string text;   // the whole line, "any: |-"
  bool kept = false;  // whether the text has kept its indentation, and the line has not
};

// The first profile of the document that has lost its indentation.
std::optional<LostProfile> FindLostProfile(std::string_view document);

// The lines of a document with such profiles, indented as the schema of a config has it.
std::optional<std::vector<std::string>> MendFlatConfigMap(const std::vector<std::string>& lines);

}  // namespace tranche::cli::manifest
