// What `tranche node` says on /metrics: who uses which GPU, by pod; the GPUs themselves, also under
// the names of NVIDIA's dcgm-exporter; and its own state.
//
// The names of dcgm-exporter are the device's and never split: NVIDIA's own board takes the maximum
// over series, and would take the largest pod's part for the whole. What adds up over pods has one
// more series, without a pod, which is the rest of the device.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/metric_families.h"
#include "gpu/gpu_watch.h"
#include "node/sight/sight.h"

namespace tranche::node {

struct NodeState {
  std::string version;
  std::string hostname;  // of dcgm-exporter's label
  bool ready = false;
  std::vector<std::string> degraded;
  gpu::DriverState driver;
  bool pods_known = false;    // the API server tells of pods
  bool grants_known = false;  // the kubelet tells who was given what
  bool fresh = false;         // what the GPUs say is of now
  bool dcgm_names = false;
  std::map<std::string, std::uint64_t> xids;  // the last of each GPU
};

// Every metric there is: ours, and those under dcgm-exporter's names. The page
// docs/reference/metrics.md is made from these tables.
const std::vector<daemon::MetricText>& NodeMetricTexts();
const std::vector<daemon::MetricText>& DcgmMetricTexts();

std::string NodeMetricsText(const NodeState& state, const gpu::Inventory& inventory,
                            const sight::Sight& sight);

}  // namespace tranche::node
