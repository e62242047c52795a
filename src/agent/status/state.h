// What the agent knows of itself, as one value: the source of status.json, /readyz, /livez and
// /metrics. Assembled from what its parts say of themselves, rendered by report.h. Plain data:
// times are ages in seconds.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "agent/serve/resource_state.h"
#include "daemon/event.h"
#include "profile/cluster_source.h"
#include "profile/in_force.h"

namespace tranche::agent::status {

struct DriverState {
  bool ready = false;
  std::string version;       // "570.172.08"
  std::string cuda_version;  // "12.8"
  std::string error;         // why not ready
  std::string stuck_call;    // "" when none
  double stuck_seconds = 0;
};

struct GpuState {
  std::string uuid;
  std::string index;  // "0", "0:1"
  std::string name;   // model, or MIG profile
  std::uint64_t memory_bytes = 0;
  bool healthy = true;
  bool lost = false;
  std::string reason;                        // of being unhealthy
  std::optional<double> healthy_in_seconds;  // when recovery is a matter of time
  std::string error;                         // the driver would not tell about it: not advertised
};

struct AgentState {
  std::string version;
  std::string started;    // RFC 3339
  std::string node_name;  // may be empty
  profile::ConfigState config;
  DriverState driver;
  std::vector<GpuState> gpus;
  std::vector<agent::serve::ResourceState> resources;
  bool holders_known = false;
  std::string holders_error;
  profile::KubernetesState kubernetes;
  std::string predecessor;  // "" or who is being taken over from
  std::vector<std::string>
      warnings;  // standing conditions, e.g. stale holders, CDI spec not written
  std::deque<daemon::AgentEvent> events;  // newest last, bounded

  // Every resource's first ListAndWatch has arrived and a usable config exists.
  [[nodiscard]] bool Ready() const;
  // Reasons for not being what the user asked for; empty when all is well.
  [[nodiscard]] std::vector<std::string> Degraded() const;
};

}  // namespace tranche::agent::status
