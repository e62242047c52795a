// How much of a device's memory a pod may have.
//
// What is granted on one device never sums above its memory less what is reserved; a pod that comes
// late, and one that asks for more, gets at most what is left.
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
  std::optional<std::uint64_t> max_bytes;    // that may be asked for by replica; none: the limit
  int replicas = 1;                          // that the device is shared by
  int held = 1;                              // of which the pod has so many
  friend bool operator==(const MemoryShare&, const MemoryShare&) = default;
};

// What pods together may have of the device.
std::uint64_t UsableMemory(const MemoryShare& share);

// What the pod should have, were nobody else there.
std::uint64_t WantedMemory(const MemoryShare& share);

// The most that it may ask for; never less than it should have.
std::uint64_t MostMemory(const MemoryShare& share);

// What it gets where others have been granted `granted_bytes` of the device.
std::uint64_t GrantedMemory(const MemoryShare& share, std::uint64_t granted_bytes);

// Somebody asks for another limit of a pod that has one.
struct MemoryAsk {
  std::uint64_t asked_bytes = 0;
  std::uint64_t limit_bytes = 0;  // that it has
  std::uint64_t fixed_bytes = 0;  // that it was given with the device: it may always have that back
  std::uint64_t others_bytes = 0;  // granted to others on the device
};
struct MemoryAnswer {
  std::uint64_t limit_bytes = 0;  // from now on
  bool above_most = false;        // more was asked for than may be
  bool no_room = false;           // there is less left than might be had
};
// A lower limit is always given; of a higher one as much as the bounds and the others leave. Where
// that is nothing, the limit stays.
MemoryAnswer AnswerMemoryAsk(const MemoryShare& share, const MemoryAsk& ask);

}  // namespace tranche::share
