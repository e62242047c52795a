// Pools of stream-ordered memory (cuMemAllocAsync). A pool takes memory of its device in blocks and
// gives out parts of them; a block of which nothing is in use goes back to the device when the
// program synchronises and the pool holds more than its release threshold.
//
// A pool that is made to be exported can be imported by other processes, which then open what it
// has given, address by address. The driver keeps a block until its pool and all who have opened
// something in it are done with it. Nothing new is given by an imported pool.
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
#include "sim/cuda/forms/physical.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

// What a pool has given, as other processes are told of it.
struct PoolPointer {
  ShareKey key;  // of its block
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

class PoolObject {
 public:
  enum class Maker { kThisProcess, kAnother };
  PoolObject(DeviceObject& device, const PoolProperties& properties,
             Maker maker = Maker::kThisProcess)
      : device_(device), properties_(properties), imported_(maker == Maker::kAnother) {}
  ~PoolObject();
  PoolObject(const PoolObject&) = delete;
  PoolObject& operator=(const PoolObject&) = delete;

  // Gives `bytes`; on a device that is full, pools give back first what they do not use.
  Result Allocate(std::size_t bytes, DevicePtr* address);
  // What Allocate or Open gave. False: it is none of this pool's.
  bool Free(DevicePtr address);
  // Gives back what is not in use as long as more than `keep` bytes are held.
  void TrimTo(std::uint64_t keep);
  void TrimToThreshold() { TrimTo(release_threshold_); }

  Result Get(PoolAttribute attribute, void* value) const;
  Result Set(PoolAttribute attribute, const void* value);

  // For other processes; kInvalidValue where it is none of this pool's, or the pool is not to be
  // exported.
  Result Tell(DevicePtr address, PoolPointer* told) const;
  // What another process has told of.
  Result Open(const PoolPointer& told, DevicePtr* address);

  [[nodiscard]] const DeviceObject& device() const { return device_; }
  [[nodiscard]] const PoolProperties& properties() const { return properties_; }
  [[nodiscard]] bool imported() const { return imported_; }
  [[nodiscard]] bool in_use() const { return used_ > 0 || !opened_.empty(); }
  // It has been destroyed, and ends with the last that is in use of it.
  bool ended = false;

  MemoryPool handle = nullptr;

 private:
  struct Block {
    Span span;
    std::uint64_t reservation = 0;
    std::shared_ptr<Physical> contents;  // in place of the reservation, of a pool to be exported
    std::map<std::size_t, std::size_t> free;  // offset and length of what is not in use
  };
  Result AddBlock(std::size_t bytes);
  bool Place(Block& block, std::size_t bytes, DevicePtr* address);
  void Note(Block& block, std::size_t offset, std::size_t bytes, DevicePtr address);
  void Remove(std::size_t index);
  Result Reserve(std::size_t bytes, Block* block);
  Result Fill(std::size_t bytes, Block* block);
  Result FillForAll(std::size_t bytes, Block* block);

  struct Opened {
    Span span;
    std::shared_ptr<Physical> contents;
  };

  DeviceObject& device_;
  PoolProperties properties_;
  bool imported_;
  std::map<DevicePtr, Opened> opened_;
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
// What a pool gave, or opened; a pool that has been destroyed goes with the last of it.
bool FreePooled(MemoryPool handle, DevicePtr address);

}  // namespace tranche::sim::cuda
