// The fields of status.json: the contract of `apiVersion: tranche.dev/v1`, to which fields may be
// added, but none removed or given another meaning. The page docs/reference/status.md is made from
// this table; a test holds report.cc against it.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <span>
#include <string_view>

namespace tranche::agent::status {

struct StatusField {
  std::string_view path;  // "config.usable", "gpus[].uuid"
  std::string_view type;  // "text", "number", "bool", "object", "list", with "or null"
  std::string_view meaning;
};

// Each object or list comes before what is in it.
std::span<const StatusField> StatusFields();

}  // namespace tranche::agent::status
