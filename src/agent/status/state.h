// What the agent knows of itself, as one value: the source of status.json, /readyz, /livez and
// /metrics. It is assembled from what the agent's parts say of themselves, and rendered by
// report.h.
//
// Threading: plain data; times are ages in seconds.
// Errors: none.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "agent/serve/resource_state.h"
#include "daemon/event.h"
#include "gpu/gpu_watch.h"
#include "profile/cluster_source.h"
#include "profile/in_force.h"

namespace tranche::agent::status {

// Whether pods get the memory walls that the config asks for.
struct WallsState {
  bool asked = false;
  std::string why_not;  // "" where they do

  [[nodiscard]] bool Missing() const { return asked && !why_not.empty(); }
};

struct AgentState {
  std::string version;
  std::string started;    // RFC 3339
  std::string node_name;  // may be empty
  profile::ConfigState config;
  gpu::DriverState driver;
  std::vector<gpu::GpuState> gpus;
  std::vector<agent::serve::ResourceState> resources;
  // What containers need of the node, or a flag asks for, and it has not: "nvidia-uvm".
  std::vector<std::string> missing_parts;
  WallsState walls;
  bool holders_known = false;
  std::string holders_error;
  profile::KubernetesState kubernetes;
  std::string predecessor;  // "" or who is being taken over from
  std::vector<std::string>
      warnings;  // standing conditions, e.g. stale holders, CDI spec not written
  std::deque<daemon::Event> events;  // newest last, bounded

  // Every resource's first ListAndWatch has arrived and a usable config exists.
  [[nodiscard]] bool Ready() const;
  // Reasons for not being what the user asked for; empty when all is well.
  [[nodiscard]] std::vector<std::string> Degraded() const;
};

}  // namespace tranche::agent::status
