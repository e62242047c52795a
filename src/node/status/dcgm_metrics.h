// The GPUs under the names, units and labels of NVIDIA's dcgm-exporter: those of its default list
// (default-counters.csv) that NVML gives.
//
// Threading: pure.
// Errors: none; what a GPU does not tell has no series.
#pragma once

#include <string>

#include "node/status/metrics.h"

namespace tranche::node::status {

std::string DcgmMetricsText(const NodeState& state, const gpu::Inventory& inventory,
                            const sight::Sight& sight);

}  // namespace tranche::node::status
