// AgentState told outwards: status.json, /livez, /readyz and /metrics. Rendering is pure.
#pragma once

#include <string>

#include "agent/status/state.h"
#include "base/http_server.h"
#include "base/json.h"

namespace tranche::agent::status {

// {"apiVersion": "tranche.dev/v1", "kind": "AgentStatus", …}
base::Json StatusJson(const AgentState& state);

base::HttpAnswer Livez(const AgentState& state);   // 200 while the loop answers
base::HttpAnswer Readyz(const AgentState& state);  // 503 only as contracts §5 says; reason in JSON
base::HttpAnswer Metrics(const AgentState& state);  // Prometheus text (prometheus-cpp's serializer)

}  // namespace tranche::agent::status
