// What `tranche node` says on /metrics: who uses which GPU, by pod; the GPUs themselves, also under
// the names of NVIDIA's dcgm-exporter; and its own state.
//
// Under dcgm-exporter's names there is one series for each device, never one for each pod: NVIDIA's
// own board takes the maximum over series, and would show the largest pod's part as the whole. Our
// own metrics that add up over pods have one more series, without a pod, for the rest of the
// device.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "daemon/event.h"
#include "daemon/metric_families.h"
#include "gpu/gpu_watch.h"
#include "node/delivery/delivery.h"
#include "node/identity/held.h"
#include "node/sight/sight.h"
#include "node/walls/arbiter.h"

namespace tranche::node::status {

// The sharing config as far as this program reads it.
struct NodeConfig {
  bool usable = false;           // one is in force
  std::uint64_t generation = 0;  // how many came into force
  std::uint64_t rejected = 0;    // how many could not be used
  std::string profile;
  std::string error;  // why what is wanted is not in force
  std::vector<std::string> warnings;
  friend bool operator==(const NodeConfig&, const NodeConfig&) = default;
};

// The memory walls of this node, where the sharing config asks for any.
struct WallsState {
  bool asked_for = false;
  std::string trouble;  // why they do not stand; "" where they do
  std::vector<walls::Wall> walls;
  walls::DoorCounts door;
  std::size_t programs = 0;  // attached
  delivery::State shim;      // whether pods get the library
};

struct NodeState {
  std::string version;
  std::string node_name;
  std::string hostname;  // of dcgm-exporter's label
  bool ready = false;
  std::vector<std::string> degraded;
  gpu::DriverState driver;
  std::vector<gpu::GpuState> gpus;
  base::Status pods;    // whether the API server tells of pods
  base::Status grants;  // whether the kubelet tells who was given what
  bool fresh = false;   // what the GPUs say is of now
  bool dcgm_names = false;
  std::map<std::string, std::uint64_t> xids;       // the last of each GPU
  std::map<std::string, identity::Shares> shares;  // by device; none where it is not known
  std::optional<NodeConfig> config;
  std::vector<daemon::Event> events;  // the newest last
  WallsState walls;
};

// Every metric there is: ours, and those under dcgm-exporter's names. The page
// docs/reference/metrics.md is made from these tables.
const std::vector<daemon::MetricText>& NodeMetricTexts();
const std::vector<daemon::MetricText>& DcgmMetricTexts();

std::string NodeMetricsText(const NodeState& state, const gpu::Inventory& inventory,
                            const sight::Sight& sight);

}  // namespace tranche::node::status
