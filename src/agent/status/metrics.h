// AgentState as Prometheus text. Label values are escaped, and bounded in length and in number.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <string>
#include <vector>

#include "agent/status/state.h"

namespace tranche::agent::status {

enum class MetricKind { kGauge, kCounter };

struct MetricText {
  std::string name;
  MetricKind kind = MetricKind::kGauge;
  std::vector<std::string> labels;  // every series has all of them
  std::string help;
};

// Every metric there is. The page docs/reference/metrics.md is made from this table.
const std::vector<MetricText>& MetricTexts();

std::string MetricsText(const AgentState& state);

}  // namespace tranche::agent::status
