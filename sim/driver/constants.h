// The results that the driver answers with. What the hardware costs is in sim/engine/hardware.h.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <cstdint>

namespace tranche::sim::driver {

// CUresult, from NVIDIA's "CUDA Driver API" reference.
inline constexpr std::uint32_t kSuccess = 0;
inline constexpr std::uint32_t kInvalidValue = 1;
inline constexpr std::uint32_t kOutOfMemory = 2;
inline constexpr std::uint32_t kDeviceUnavailable = 46;
inline constexpr std::uint32_t kInvalidDevice = 101;
inline constexpr std::uint32_t kInvalidContext = 201;
inline constexpr std::uint32_t kEccUncorrectable = 214;
inline constexpr std::uint32_t kOperatingSystem = 304;  // as where it has too many open files
inline constexpr std::uint32_t kInvalidHandle = 400;
inline constexpr std::uint32_t kIllegalAddress = 700;
inline constexpr std::uint32_t kContextIsDestroyed = 709;
inline constexpr std::uint32_t kLaunchFailed = 719;
inline constexpr std::uint32_t kNotSupported = 801;
inline constexpr std::uint32_t kSystemDriverMismatch = 803;
inline constexpr std::uint32_t kLastResult = 999;  // CUDA_ERROR_UNKNOWN

}  // namespace tranche::sim::driver
