// What /metrics says of memory walls: by pod and GPU the limit, what is used, what was refused, and
// whether the wall stands; and how many programs asked the node program for their wall.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <vector>

#include "daemon/metric_families.h"
#include "node/status/devices.h"
#include "node/status/metrics.h"

namespace tranche::node::status {

// The names, without their prefix.
std::vector<daemon::MetricText> WallMetricTexts();
// Nothing where no wall is asked for.
void AddWallMetrics(daemon::MetricFamilies& out, const std::vector<ShownDevice>& devices,
                    const WallsState& state);

}  // namespace tranche::node::status
