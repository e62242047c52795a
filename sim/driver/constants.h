// The figures that the simulated hardware works with, and where each comes from. Those of time are
// in sim/engine/engine.h (Hardware) and those of memory in sim/engine/memory.h.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <cstdint>

namespace tranche::sim::driver {

// Device memory that a context costs, for each multiprocessor. It grows with the size of the chip:
// 107 MiB on an RTX 4060 Ti (34 multiprocessors) and 555 MiB on an RTX PRO 6000 (188) are measured
// in https://github.com/ggml-org/llama.cpp/pull/23604, 256 MiB on an RTX 3090 (82) in
// https://github.com/invoke-ai/InvokeAI/issues/9413: 2.95 to 3.15 MiB each.
inline constexpr std::uint64_t kContextBytesPerMultiprocessor = 3U << 20U;

// Bytes a second of one PCIe lane, one direction, after line coding: PCI-SIG's rates of 2.5, 5, 8,
// 16 and 32 GT/s with 8b/10b (generations 1, 2) or 128b/130b.
inline constexpr std::uint64_t kPcieLaneRate[] = {250'000'000, 250'000'000,   500'000'000,
                                                  984'615'385, 1'969'230'769, 3'938'461'538};
// Part of that which payload can take: packets of 256 bytes with 24 to 28 of framing.
inline constexpr std::uint64_t kPciePayloadPercent = 90;

// What every copy takes before its first byte moves. An assumption: published small copies take a
// few microseconds.
inline constexpr std::int64_t kCopyLatencyNs = 2'000;

// A device whose memory bandwidth is not known.
inline constexpr std::uint64_t kDefaultMemoryRate = 500'000'000'000;

// CUresult, from NVIDIA's "CUDA Driver API" reference.
inline constexpr std::uint32_t kSuccess = 0;
inline constexpr std::uint32_t kInvalidValue = 1;
inline constexpr std::uint32_t kOutOfMemory = 2;
inline constexpr std::uint32_t kDeviceUnavailable = 46;
inline constexpr std::uint32_t kInvalidDevice = 101;
inline constexpr std::uint32_t kInvalidContext = 201;
inline constexpr std::uint32_t kEccUncorrectable = 214;
inline constexpr std::uint32_t kInvalidHandle = 400;
inline constexpr std::uint32_t kIllegalAddress = 700;
inline constexpr std::uint32_t kContextIsDestroyed = 709;
inline constexpr std::uint32_t kLaunchFailed = 719;
inline constexpr std::uint32_t kNotSupported = 801;
inline constexpr std::uint32_t kSystemDriverMismatch = 803;

}  // namespace tranche::sim::driver
