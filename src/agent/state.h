// What the agent knows of itself, as one value: the source of status.json, /readyz, /livez and
// /metrics. Filled by the agent, rendered by report.h. Plain data; steady-clock times are turned
// into ages by the renderer.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tranche::agent {

using Time = std::chrono::steady_clock::time_point;

// Something that happened and that a person may want to know: log line, status, and (later) a
// Kubernetes Event.
struct AgentEvent {
  std::string type;    // "Normal" | "Warning"
  std::string reason;  // CamelCase, as in Kubernetes Events: "ConfigRejected", "DeviceUnhealthy"
  std::string message;
  std::string wall_time;    // RFC 3339
  std::uint64_t count = 1;  // repeats of the same message in a row
};

struct ConfigState {
  std::string profile;          // in force
  std::string source;           // in force; "" is the unshared default
  bool usable = false;          // some config is in force
  bool from_last_good = false;  // in force is the stored last good one, not what is wanted now
  std::string wanted_profile;
  std::string wanted_source;
  std::string error;                      // why what is wanted is not in force; "" when it is
  std::string awaiting;                   // why it is not known what is wanted; "" when it is
  std::vector<std::string> warnings;      // "FILE:LINE: …"
  std::vector<std::string> not_in_force;  // "tranche.memory", "tranche.time"
  std::uint64_t applied = 0;              // counters
  std::uint64_t rejected = 0;
};

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

struct ResourceState {
  std::string name;
  std::string original;
  std::string endpoint;  // socket's basename
  std::string phase;     // "starting" | "registering" | "waiting for the kubelet" | "serving"
  bool shared = false;
  int devices = 0;
  int healthy = 0;
  std::optional<int> held;  // ids that pods hold now; absent: holders unknown
  std::uint64_t registrations = 0;
  std::uint64_t allocations = 0;
  std::uint64_t refusals = 0;
  std::string error;  // last registration failure, "" when serving
};

inline constexpr char kInSync[] = "in sync";

// What the API server has said, where it is asked.
struct KubernetesState {
  bool used = false;
  std::string api;                         // kInSync, or why not
  std::string node_label;                  // its key; "": not watched
  std::optional<std::string> label_value;  // "" without the label; absent: not seen yet
  std::string config_map;                  // NAMESPACE/NAME that profiles are read from
  std::string config_map_version;          // its resourceVersion
  std::string cluster_policy;              // name of the one that is followed
  std::string events;  // "" not asked for, "sent", "not permitted", or why they wait
};

struct AgentState {
  std::string version;
  std::string started;    // RFC 3339
  std::string node_name;  // may be empty
  ConfigState config;
  DriverState driver;
  std::vector<GpuState> gpus;
  std::vector<ResourceState> resources;
  bool holders_known = false;
  std::string holders_error;
  KubernetesState kubernetes;
  std::string predecessor;  // "" or who is being taken over from
  std::vector<std::string>
      warnings;                   // standing conditions, e.g. stale holders, CDI spec not written
  std::deque<AgentEvent> events;  // newest last, bounded

  // Every resource's first ListAndWatch has arrived and a usable config exists.
  [[nodiscard]] bool Ready() const;
  // Reasons for not being what the user asked for; empty when all is well.
  [[nodiscard]] std::vector<std::string> Degraded() const;
};

}  // namespace tranche::agent
