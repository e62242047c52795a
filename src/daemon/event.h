// Something that happened and that a person may want to know: a line in the log, an entry in
// status.json and, where asked for, a Kubernetes Event. Plain data.
#pragma once

#include <cstdint>
#include <string>

namespace tranche::daemon {

struct AgentEvent {
  std::string type;    // "Normal" | "Warning"
  std::string reason;  // CamelCase, as in Kubernetes Events: "ConfigRejected", "DeviceUnhealthy"
  std::string message;
  std::string wall_time;    // RFC 3339
  std::uint64_t count = 1;  // repeats of the same message in a row
};

}  // namespace tranche::daemon
