// Physical is memory without an address: what cuMemCreate makes, what a chunk of IPC is, and what
// other processes open. Its contents are a file in memory, so that they can be mapped in several
// places and by several processes; on a device the driver accounts for it.
//
// Threading: under the process's lock, its end included.
// Errors: CUDA's result codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "sim/cuda/abi.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

struct ShareKey {
  std::uint64_t words[2] = {0, 0};
};

class Physical {
 public:
  // On a device, or, where `device` is null, of the host, which the driver does not account for.
  static Result Make(const DeviceObject* device, link::MemoryKind kind, std::size_t bytes,
                     std::shared_ptr<Physical>* made);
  // What another process, or this one, has shared under a key.
  static Result Open(const ShareKey& key, std::shared_ptr<Physical>* opened);
  ~Physical();
  Physical(const Physical&) = delete;
  Physical& operator=(const Physical&) = delete;

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Puts `bytes` of the contents from `offset` on at `host`, in place of what was there.
  bool MapAt(char* host, std::size_t bytes, std::size_t offset) const;
  // Lets other processes open it.
  Result Share(ShareKey* key) const;

 private:
  Physical(int fd, std::size_t bytes, std::uint64_t reservation)
      : fd_(fd), bytes_(bytes), reservation_(reservation) {}

  int fd_;
  std::size_t bytes_;
  std::uint64_t reservation_;  // 0: of the host
};

// Contents as a file in memory, all zero. -1 where there is none to be had.
int MakeContents(std::size_t bytes);
// Shares a reservation whose contents are `fd`.
Result ShareReservation(std::uint64_t reservation, int fd, ShareKey* key);
// Takes a mapping away; the addresses stay reserved.
void UnmapAt(char* host, std::size_t bytes);

}  // namespace tranche::sim::cuda
