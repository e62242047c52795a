// NodeUse is what `tranche node` says of one node, as values that can be drawn: its GPUs, who uses
// them, and what it does not know. It is read from the NodeStatus document that is served as
// /status.
//
// Threading: plain values and functions, safe on any thread.
// Errors: ReadNodeUse refuses what is no NodeStatus. In one that is, whatever is missing or of
// another kind is not known, and an absent value is never 0. Its texts are hostile: they are made
// printable here, and bounded.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace tranche::cli::top {

inline constexpr std::size_t kMaxDevices = 1024;
inline constexpr std::size_t kMaxPods = 1024;  // of a device
inline constexpr std::size_t kMaxWalls = 65536;

// The wall of a pod on a device.
struct WallUse {
  std::optional<double> limit_bytes;
  std::optional<double> used_bytes;
  std::optional<double> context_bytes;
  std::optional<double> refusals;
  std::optional<bool> walled;  // absent before the pod's first program
  std::string reason;          // why not, in a word
  std::string why;             // and in a sentence
  bool mismatch = false;       // it has more memory than its own counters say

  // "yes", "no", "no: musl", or "-" where it is not known yet.
  [[nodiscard]] std::string Word() const;
};

struct PodUse {
  std::string pod_namespace;  // "": the pod's name is not known, and its UID stands for it
  std::string pod;
  std::string container;
  std::string uid;
  std::optional<double> memory_bytes;
  std::optional<double> limit_bytes;
  std::optional<double> would_refuse;
  std::optional<double> processes;
  std::optional<double> replicas;
  std::optional<double> gpu_seconds;
  std::optional<double> busy_percent;
  std::optional<double> energy_joules;
  std::optional<double> last_active;  // seconds of the wall clock
  bool stranger = false;              // the kubelet has not given it the device
  std::optional<WallUse> wall;        // of the pod, all of its containers together

  // "namespace/pod", or the UID alone.
  [[nodiscard]] std::string FullName() const;
  // What it may hold: by its wall, or else by the profile, which is only shown.
  [[nodiscard]] std::optional<double> Limit() const;
  [[nodiscard]] bool OverLimit() const;
  // "not granted, over limit, no wall: musl, 3 refused"; "" for none.
  [[nodiscard]] std::string Flags() const;
};

// What belongs to no pod.
struct RestUse {
  std::optional<double> memory_bytes;
  std::optional<double> processes;
};

struct DeviceUse {
  std::string uuid;
  std::string index;  // "0", or "0:1" of a MIG device
  std::string model;
  std::string mig_profile;  // "" for a whole GPU
  std::string health;       // "Healthy", "Unhealthy", "Lost"; "" where it is not known
  std::string health_reason;
  std::string resource;
  std::optional<double> memory_bytes;
  std::optional<double> memory_used_bytes;
  std::optional<double> busy_percent;
  std::optional<double> contended_percent;
  std::optional<double> power_watts;
  std::optional<double> power_limit_watts;
  std::optional<double> temperature_celsius;
  std::optional<double> replicas_advertised;
  std::optional<double> replicas_held;
  std::string unmeasured;  // why it has no time; "" where it has
  RestUse rest;
  std::vector<PodUse> pods;

  // The index, or the UUID where there is none.
  [[nodiscard]] const std::string& Name() const { return index.empty() ? uuid : index; }
};

struct NodeUse {
  std::string node;
  std::string version;
  bool ready = false;
  bool fresh = true;  // false: the driver does not answer, and the figures are old
  std::vector<std::string> degraded;
  std::vector<DeviceUse> devices;

  // Whether any pod has a wall.
  [[nodiscard]] bool HasWalls() const;
};

base::Result<NodeUse> ReadNodeUse(const base::Json& status);

// How pods are sorted within their GPU, and GPUs among each other where a command sorts them.
enum class Sort { kBusy, kMemory, kIdle, kName };
inline constexpr std::array kSorts{Sort::kBusy, Sort::kMemory, Sort::kIdle, Sort::kName};
std::string_view SortName(Sort sort);
std::optional<Sort> ParseSort(std::string_view name);

// The first before the second. What is not known comes last; equal ones keep their places.
bool Before(const PodUse& a, const PodUse& b, Sort sort);
void SortPods(NodeUse& node, Sort sort);

}  // namespace tranche::cli::top
