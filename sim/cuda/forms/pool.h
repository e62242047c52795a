// Pools of stream-ordered memory (cuMemAllocAsync). A pool takes memory of its device in blocks and
// gives out parts of them; a block of which nothing is in use goes back to the device when the
// program synchronises and the pool holds more than its release threshold.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

class PoolObject {
 public:
  PoolObject(DeviceObject& device, const PoolProperties& properties)
      : device_(device), properties_(properties) {}
  ~PoolObject();
  PoolObject(const PoolObject&) = delete;
  PoolObject& operator=(const PoolObject&) = delete;

  // Gives `bytes`; on a device that is full, pools give back first what they do not use.
  Result Allocate(std::size_t bytes, DevicePtr* address);
  // What Allocate gave. False: it is none of this pool's.
  bool Free(DevicePtr address);
  // Gives back what is not in use as long as more than `keep` bytes are held.
  void TrimTo(std::uint64_t keep);
  void TrimToThreshold() { TrimTo(release_threshold_); }

  Result Get(PoolAttribute attribute, void* value) const;
  Result Set(PoolAttribute attribute, const void* value);

  [[nodiscard]] const DeviceObject& device() const { return device_; }
  [[nodiscard]] bool in_use() const { return used_ > 0; }

  MemoryPool handle = nullptr;

 private:
  struct Block {
    Span span;
    std::uint64_t reservation = 0;
    std::map<std::size_t, std::size_t> free;  // offset and length of what is not in use
  };
  Result AddBlock(std::size_t bytes);
  bool Place(Block& block, std::size_t bytes, DevicePtr* address);
  void Note(Block& block, std::size_t offset, std::size_t bytes, DevicePtr address);
  void Remove(std::size_t index);

  DeviceObject& device_;
  PoolProperties properties_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::map<DevicePtr, std::size_t> given_;  // bytes taken for it
  std::uint64_t release_threshold_ = 0;
  std::uint64_t reserved_ = 0;
  std::uint64_t reserved_high_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t used_high_ = 0;
  int reuse_[3] = {1, 1, 1};
};

Table<MemoryPool, PoolObject>& Pools();
// The default pool of a device, and the one that cuMemAllocAsync takes from.
std::shared_ptr<PoolObject> DefaultPool(DeviceObject& device);
std::shared_ptr<PoolObject>& CurrentPool(DeviceObject& device);
void TrimAllPools();

}  // namespace tranche::sim::cuda
