// Says what a person can do about a call to NVML that fails, and what the failure costs meanwhile.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "gpu/device.h"

namespace tranche::gpu::nvml {

// What to do about a failure of this code.
std::string_view Remedy(base::Code code);

// "nvmlDeviceGetMemoryInfo: insufficient permissions (4): its memory is not labelled; set …"
std::string DescribeUnread(Detail detail, const base::Status& why);

}  // namespace tranche::gpu::nvml
