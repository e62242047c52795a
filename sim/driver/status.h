// What the driver says of itself in status.json, in its log and to `tranche sim driver-status`.
//
// Threading: plain functions.
// Errors: none.
#pragma once

#include "base/json.h"
#include "sim/driver/clock.h"
#include "sim/driver/machine.h"
#include "sim/driver/record/log_file.h"
#include "sim/driver/serve.h"

namespace tranche::sim::driver {

// How the driver was started. With "file", the number of files that its log has been before, it is
// the first line of each of them.
base::Json DriverJson(const ServeOptions& options, const DriverClock& clock, Time now);
// All sums up to the last thing that was done.
base::Json StatusJson(const ServeOptions& options, const DriverClock& clock, const Machine& machine,
                      const LogFile& file);

}  // namespace tranche::sim::driver
