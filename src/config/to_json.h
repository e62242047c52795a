// Writes a Config, or what a file says, as JSON.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include "base/json.h"
#include "config/config.h"
#include "config/file_model.h"

namespace tranche::config {

// For "Running with config": every value in force, ours under `tranche`.
base::Json ToJson(const Config& config);

// As upstream's own struct is written (keys, omissions, defaults).
base::Json NormalisedJson(const FileModel& model);

// The words of a config file for its enums.
std::string_view Text(MigStrategy strategy);
std::string_view Text(DeviceListStrategy strategy);
std::string_view Text(DeviceIdStrategy strategy);
std::string_view Text(AllocationPolicy policy);
std::string_view Text(Recovery recovery);
std::string_view Text(EnforceMode mode);

}  // namespace tranche::config
