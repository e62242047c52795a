// Reads what people type for the result of a call of NVML or of the CUDA driver API.
//
// Threading: plain functions.
// Errors: a name that is none of that library's errors is kInvalidArgument.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace tranche::cli::sim {

// What `call` is to answer: "GPU_IS_LOST", "nvml_error_gpu_is_lost" or "15", and of a call that
// begins with cu "OUT_OF_MEMORY", "CUDA_ERROR_OUT_OF_MEMORY" or "2".
base::Result<std::uint32_t> ParseCallCode(std::string_view call, std::string_view text);

}  // namespace tranche::cli::sim
