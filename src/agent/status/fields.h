// The fields of status.json: the contract of `apiVersion: tranche.dev/v1`, to which fields may be
// added, but none removed or given another meaning. The page docs/reference/status.md is made from
// this table; a test holds report.cc against it.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <span>

#include "daemon/status_field.h"

namespace tranche::agent::status {

// Each object or list comes before what is in it.
std::span<const daemon::StatusField> StatusFields();

}  // namespace tranche::agent::status
