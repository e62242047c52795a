// SimTable is what cuGetExportTable of the simulated libcuda.so.1 gives to programs that know its
// id: our own workloads, which want to act at moments of the driver's time. A real driver does not
// have it, and neither would an exported name of ours be in the set that NVIDIA's library exports.
//
//     const SimTable* table = nullptr;
//     if (cuGetExportTable(reinterpret_cast<const void**>(&table), &kSimTableId) == kSuccess) …
//
// Threading: safe on any thread.
// Errors: see each function.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/cuda/abi.h"

namespace tranche::sim::cuda {

inline constexpr Uuid kSimTableId = {{0x74, 0x72, 0x61, 0x6E, 0x63, 0x68, 0x65, 0x2D, 0x73, 0x69,
                                      0x6D, 0x2D, 0x74, 0x61, 0x62, 0x31}};  // "tranche-sim-tab1"

struct SimTable {
  std::size_t bytes;  // of the table; newer ones only get longer
  // The driver's time is (CLOCK_MONOTONIC - epoch_ns) / time_scale. kNotInitialized before cuInit;
  // kSystemNotReady where no driver serves the node.
  Result (*clock)(std::uint64_t* epoch_ns, unsigned* time_scale);
};

}  // namespace tranche::sim::cuda
