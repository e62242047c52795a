// DeviceMemory is the memory of one simulated GPU or GPU instance, and who holds how much of it.
//
// As on the hardware, memory is given out in pieces of kGranularity. What is smaller than
// kSmallest is a part of a chunk of kGranularity, which belongs to one owner and goes back when the
// last part of it is freed; so free memory falls and rises in whole chunks. A context costs a
// fixed number of bytes from the moment it is made.
//
// Threading: one thread.
// Errors: a reservation that does not fit gives none, and changes nothing. Unknown ids are
// ignored.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tranche::sim::engine {

using OwnerId = std::uint32_t;        // a context; a client where there is none
using ReservationId = std::uint64_t;  // never used twice

// Sources: cuMemGetAllocationGranularity gives 2 MiB for every data-centre GPU since Pascal, and
// cuMemAlloc takes smaller requests from chunks of it, on boundaries of 512 bytes.
inline constexpr std::uint64_t kGranularity = 2U << 20U;
inline constexpr std::uint64_t kSmallest = 1U << 20U;
inline constexpr std::uint64_t kSmallAlignment = 512;

struct Reservation {
  ReservationId id = 0;
  std::uint64_t chunk = 0;   // names the chunk for a small one; 0: pieces of its own
  std::uint64_t offset = 0;  // in the chunk
  std::uint64_t taken = 0;   // by how much free memory fell
};

struct Holding {            // of one owner
  std::uint64_t asked = 0;  // sum of the bytes asked for
  std::uint64_t taken = 0;  // what free memory lacks because of it, its context included
};

class DeviceMemory {
 public:
  explicit DeviceMemory(std::uint64_t capacity);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  [[nodiscard]] std::uint64_t capacity() const;
  [[nodiscard]] std::uint64_t Free() const;

  bool AddContext(OwnerId owner, std::uint64_t bytes);  // false: does not fit
  // Nothing for 0 bytes.
  std::optional<Reservation> Reserve(OwnerId owner, std::uint64_t bytes);
  // Whole pieces of its own, whatever the size: VMM handles, pools, arrays.
  std::optional<Reservation> ReservePieces(OwnerId owner, std::uint64_t bytes);
  // One more owner of what another has made (an import): it costs nothing, and the memory is freed
  // when the last owner has let go. The first of those left is charged. An owner may be added
  // again, and then releases as often.
  bool Share(ReservationId id, OwnerId with);
  void Release(ReservationId id, OwnerId owner);
  void RemoveOwner(OwnerId owner);  // all that it holds, its context included

  [[nodiscard]] Holding Of(OwnerId owner) const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tranche::sim::engine
