// The version of every JSON document that our programs write: status, history, notes to a
// successor, what commands print. Fields may be added to a version, but none removed or given
// another meaning.
//
// Threading: a constant.
// Errors: none.
#pragma once

namespace tranche::base::document {

inline constexpr char kApiVersion[] = "tranche.dev/v1";

}  // namespace tranche::base::document
