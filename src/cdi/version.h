// Determines which version of the CDI specification a document needs.
//
// Versions and what each brought are in the "Released versions" table of the specification
// (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md#version).
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tranche::cdi {

// Its place in the list of released versions; none where there is no such version.
std::optional<int> VersionRank(std::string_view version);

// The lowest version that allows everything the document uses, never below 0.3.0, the oldest that
// runtimes still read. Fields of a wrong type count as not used: CheckCdiSpec refuses those.
std::string MinimumCdiVersion(const base::Json& spec);

}  // namespace tranche::cdi
