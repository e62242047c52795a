// AgentState as Prometheus text. Pure; label values are escaped, bounded in length and in number.
#pragma once

#include <string>

#include "agent/status/state.h"

namespace tranche::agent::status {

std::string MetricsText(const AgentState& state);

}  // namespace tranche::agent::status
