// The pages of docs/reference: each is a table that some room works by, written for people.
//
// Threading: pure; any thread.
// Errors: none.
#pragma once

#include <string>
#include <vector>

namespace tranche::cli::reference {

struct Page {
  std::string name;  // "flags.md"
  std::string text;  // Markdown
};

std::vector<Page> ReferencePages();

}  // namespace tranche::cli::reference
