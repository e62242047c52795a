// How many reasons a program has for being degraded, as a metric: by the part of it that they are
// about, which is the word that each begins with ("driver: …", "gpu GPU-1: …"). The parts are a
// fixed list, so that the reasons' own words make no series.
//
// Threading: pure.
// Errors: none; a reason about no such part is counted as "other".
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/metric_families.h"

namespace tranche::daemon {

// One series for each of `parts` and one for the others; `name` has the one label "part".
inline void AddDegradedReasons(MetricFamilies& out, std::string_view name,
                               const std::vector<std::string>& reasons,
                               std::span<const std::string_view> parts) {
  std::map<std::string_view, int> counts;
  for (const std::string_view part : parts) counts[part] = 0;
  int others = 0;
  for (const std::string& reason : reasons) {
    const auto count = counts.find(std::string_view(reason).substr(0, reason.find_first_of(": ")));
    ++(count == counts.end() ? others : count->second);
  }
  out.Open(name);
  for (const auto& [part, count] : counts) out.Add({std::string(part)}, count);
  out.Add({"other"}, others);
}

}  // namespace tranche::daemon
