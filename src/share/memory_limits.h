// How much of a device's memory a pod may have.
//
// What is granted on one device never sums above its memory less what is reserved; a pod that comes
// late gets at most what is left.
//
// Threading: plain functions.
// Errors: none.
#pragma once

#include <cstdint>
#include <optional>

namespace tranche::share {

struct MemoryShare {
  std::uint64_t device_bytes = 0;
  std::uint64_t reserve_bytes = 0;           // that no pod gets
  std::optional<std::uint64_t> limit_bytes;  // of one replica; none: an equal part
  int replicas = 1;                          // that the device is shared by
  int held = 1;                              // of which the pod has so many
};

// What the pod should have, were nobody else there.
std::uint64_t WantedMemory(const MemoryShare& share);

// What it gets where others have been granted `granted_bytes` of the device.
std::uint64_t GrantedMemory(const MemoryShare& share, std::uint64_t granted_bytes);

}  // namespace tranche::share
