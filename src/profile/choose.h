// Which of the available profiles to use, by the rule of NVIDIA's config-manager: the one that is
// selected; where none is, the default; where there is no default, the fallbacks in their order.
//
// Threading: plain functions of their arguments, safe on any thread.
// Errors: a Status with upstream's text.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace tranche::profile {

enum class Fallback {
  kNamed,   // the profile called "default"
  kSingle,  // the only profile, where there is exactly one
  kEmpty,   // no profile: the unshared default
};
base::Result<std::vector<Fallback>> ParseFallbacks(const std::vector<std::string>& words);

// The profile to use, or "" where the fallback `kEmpty` applies. A profile that is selected or the
// default but does not exist is an error; no fallback replaces it. Names that could lead out of the
// directory of profiles are refused.
base::Result<std::string> ChooseProfile(const std::vector<std::string>& available,
                                        const std::string& selected,
                                        const std::string& default_profile,
                                        const std::vector<Fallback>& fallbacks);

}  // namespace tranche::profile
