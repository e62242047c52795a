// A field of the document in which a program tells of itself (status.json, /status). Each program
// has a table of its fields, which is the contract with its readers; the page
// docs/reference/status.md is made from these tables, and a test holds the document against its
// table.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <string_view>

namespace tranche::daemon {

struct StatusField {
  std::string_view path;  // "config.usable", "gpus[].uuid"
  std::string_view type;  // "text", "number", "bool", "object", "list", with "or null"
  std::string_view meaning;
};

}  // namespace tranche::daemon
