// SharedMemories are the reservations that other programs can open, each by its key. The driver
// keeps a descriptor of each one's content, and no more of them than it can afford.
//
// Threading: one thread.
// Errors: Share says false for what is beyond the bound, and changes nothing then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "base/file.h"
#include "sim/driver/hardware.h"

namespace tranche::sim::driver {

class SharedMemories;
using KeptCount = std::shared_ptr<std::size_t>;  // of one client; outlives it

// Memory that several may hold.
struct SharedMemory {
  SharedMemory() = default;
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  Device* device = nullptr;
  engine::ReservationId id = 0;
  std::uint64_t bytes = 0;
  std::uint64_t key[2] = {0, 0};  // 0: nobody can open it
  base::UniqueFd content;
  SharedMemories* shared_in = nullptr;  // which it leaves when nobody holds it any longer
  KeptCount kept;                       // of the client that shared it
};

class SharedMemories {
 public:
  // How many descriptors may be kept: for all clients, and for one.
  void SetLimits(std::size_t all, std::size_t one) {
    limit_ = all;
    limit_of_one_ = one;
  }
  bool Share(const std::shared_ptr<SharedMemory>& memory, base::UniqueFd content,
             const KeptCount& kept);
  [[nodiscard]] std::shared_ptr<SharedMemory> Find(const std::uint64_t (&key)[2]) const;
  void Forget(const SharedMemory& memory);

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;

  std::map<Key, std::weak_ptr<SharedMemory>> by_key_;
  std::size_t limit_ = 256;
  std::size_t limit_of_one_ = 64;
};

}  // namespace tranche::sim::driver
