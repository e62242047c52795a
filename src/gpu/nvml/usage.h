// Reads what uses a GPU right now from NVML.
//
// Threading: calls block; one thread at a time.
// Errors: every call is for itself, and one that fails is listed in DeviceUsage::unread.
#pragma once

#include "gpu/nvml/library.h"
#include "gpu/usage.h"

namespace tranche::gpu::nvml {

DeviceUsage ReadNvmlUsage(const Table& table, Device device, const UsageQuery& query);

}  // namespace tranche::gpu::nvml
