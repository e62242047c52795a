// Checks the resource names of NVIDIA's plugin ("nvidia.com/gpu"), and finds the known name that is
// nearest to a misspelt one.
//
// Threading: plain functions, safe on any thread.
// Errors: upstream's texts for a name that is not valid.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::config {

inline constexpr std::string_view kResourcePrefix = "nvidia.com/";
inline constexpr std::size_t kMaxResourceName = 63;  // upstream's limit, prefix included
inline constexpr std::string_view kSharedSuffix = ".shared";

// Adds the prefix where it is missing and checks the result; errors are upstream's texts.
base::Result<std::string> MakeResourceName(std::string_view written);

// What to say of a resource name to whoever wrote it.
struct NameAdvice {
  bool valid = true;  // false: MakeResourceName refuses it
  bool mig = false;   // a MIG profile's, "nvidia.com/mig-1g.10gb"
  std::string what;   // "" where it is the name of an NVIDIA resource
  std::string instead;
};
NameAdvice AdviseOnName(std::string_view written);

// The candidate with the smallest edit distance to `name`, or "" when none is near enough to be
// meant (a third of the length, at least one edit; case counts for nothing). Ties: the first.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tranche::config
