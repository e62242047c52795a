// What people see of a driver's log: a table, and a picture.
//
// Threading: plain functions.
// Errors: kNotFound where there is no log of that name.
#pragma once

#include <string>

#include "base/status.h"

namespace tranche::sim::driver {

// A table for each driver that has written the log: what each process computed, copied and took,
// where, and from when to when.
base::Result<std::string> TableOfLog(const std::string& path);
// JSON for chrome://tracing and ui.perfetto.dev: a group of tracks for each GPU (compute, copies
// in, copies out, free memory), for each process, and one for the drivers. Drivers follow each
// other as they did.
base::Result<std::string> ChromeTraceOfLog(const std::string& path);

}  // namespace tranche::sim::driver
