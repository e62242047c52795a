// AgentState as Prometheus text. Label values are escaped, and bounded in length and in number.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <string>
#include <vector>

#include "agent/status/state.h"
#include "daemon/metric_families.h"

namespace tranche::agent::status {

// Every metric there is. The page docs/reference/metrics.md is made from this table.
const std::vector<daemon::MetricText>& MetricTexts();

std::string MetricsText(const AgentState& state);

}  // namespace tranche::agent::status
