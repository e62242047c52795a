#include "cli/sim/call_code.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <string>

#include "gpu/nvml/abi.h"
#include "sim/cuda/abi/values.h"

namespace tranche::cli::sim {
namespace {

using Names = std::map<std::string_view, std::uint32_t>;

const Names& NvmlNames() {
  namespace nvml = gpu::nvml;
  static const std::map<std::string_view, std::uint32_t> names = {
      {"UNINITIALIZED", nvml::kUninitialized},
      {"INVALID_ARGUMENT", nvml::kInvalidArgument},
      {"NOT_SUPPORTED", nvml::kNotSupported},
      {"NO_PERMISSION", nvml::kNoPermission},
      {"NOT_FOUND", nvml::kNotFound},
      {"INSUFFICIENT_SIZE", nvml::kInsufficientSize},
      {"INSUFFICIENT_POWER", nvml::kInsufficientPower},
      {"DRIVER_NOT_LOADED", nvml::kDriverNotLoaded},
      {"TIMEOUT", nvml::kTimeout},
      {"IRQ_ISSUE", nvml::kIrqIssue},
      {"LIBRARY_NOT_FOUND", nvml::kLibraryNotFound},
      {"FUNCTION_NOT_FOUND", nvml::kFunctionNotFound},
      {"CORRUPTED_INFOROM", nvml::kCorruptedInforom},
      {"GPU_IS_LOST", nvml::kGpuIsLost},
      {"RESET_REQUIRED", nvml::kResetRequired},
      {"OPERATING_SYSTEM", nvml::kOperatingSystem},
      {"LIB_RM_VERSION_MISMATCH", nvml::kLibRmVersionMismatch},
      {"IN_USE", nvml::kInUse},
      {"MEMORY", nvml::kMemory},
      {"NO_DATA", nvml::kNoData},
      {"INSUFFICIENT_RESOURCES", nvml::kInsufficientResources},
      {"NOT_READY", nvml::kNotReady},
      {"GPU_NOT_FOUND", nvml::kGpuNotFound},
      {"INVALID_STATE", nvml::kInvalidState},
      {"UNKNOWN", nvml::kUnknown},
  };
  return names;
}

// Without CUDA_ERROR_.
const Names& CudaNames() {
  static const Names names = [] {
    constexpr std::string_view kPrefix = "CUDA_ERROR_";
    Names found;
#define TRANCHE_ROW(ours, theirs, value)                             \
  if (std::string_view(#theirs).starts_with(kPrefix)) {              \
    found[std::string_view(#theirs).substr(kPrefix.size())] = value; \
  }
    TRANCHE_CUDA_RESULTS(TRANCHE_ROW)
#undef TRANCHE_ROW
    return found;
  }();
  return names;
}

}  // namespace

base::Result<std::uint32_t> ParseCallCode(std::string_view call, std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const bool cuda = call.starts_with("cu");
  for (const std::string_view prefix : {cuda ? "CUDA_" : "NVML_", "ERROR_"}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  const Names& names = cuda ? CudaNames() : NvmlNames();
  const auto found = names.find(name);
  if (found != names.end()) return found->second;
  return base::Status(
      base::Code::kInvalidArgument,
      std::string("no ") + (cuda ? "CUDA" : "NVML") + " error of that name: " + std::string(text));
}

}  // namespace tranche::cli::sim
