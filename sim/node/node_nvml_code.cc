#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include "gpu/nvml/abi.h"
#include "sim/node/node.h"

namespace tranche::sim {

base::Result<std::uint32_t> ParseNvmlCode(std::string_view text) {
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
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  constexpr std::string_view kPrefix = "NVML_ERROR_";
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  if (name.starts_with("ERROR_")) name.erase(0, 6);
  const auto found = names.find(name);
  if (found != names.end()) return found->second;
  return base::Status(base::Code::kInvalidArgument,
                      "no NVML error of that name: " + std::string(text));
}

}  // namespace tranche::sim
