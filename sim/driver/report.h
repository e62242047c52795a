// What people see of a driver's log and status.json: tables, and a Chrome trace.
//
// Threading: plain functions.
// Errors: kNotFound where no driver has served the node in `root`.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace tranche::sim::driver {

// status.json, made up to date first where a driver serves the node.
base::Result<base::Json> ReadStatus(const std::string& root);
std::string StatusText(const base::Json& status);

// The log as tables (record/trace.h), made up to date first.
base::Result<std::string> TraceText(const std::string& root);
// The same as a Chrome trace.
base::Result<std::string> ChromeTrace(const std::string& root);

}  // namespace tranche::sim::driver
