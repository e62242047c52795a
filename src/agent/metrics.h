// AgentState as Prometheus text. Pure; label values are escaped, bounded in length and in number.
#pragma once

#include <string>

#include "agent/state.h"

namespace tranche::agent {

std::string MetricsText(const AgentState& state);

}  // namespace tranche::agent
