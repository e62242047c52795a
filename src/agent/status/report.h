// AgentState told outwards: status.json, /livez, /readyz and /status.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <string>

#include "agent/status/state.h"
#include "base/json.h"
#include "http/server.h"

namespace tranche::agent::status {

// {"apiVersion": "tranche.dev/v1", "kind": "AgentStatus", …}
base::Json StatusJson(const AgentState& state);

// 200 as long as the loop answers at all.
http::Answer Livez(const AgentState& state);
// 200 once every resource has been registered and a usable config is in force, else 503. A config
// that is refused while another is in force does not make it 503: the reasons are in the JSON.
http::Answer Readyz(const AgentState& state);
http::Answer StatusAnswer(const AgentState& state);

}  // namespace tranche::agent::status
