// Pools that one process exports and another imports.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

constexpr std::size_t kMiB = 1U << 20U;

std::size_t FreeBytes(const Cuda& cu) {
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_EQ(cu.cuMemGetInfo_v2(&free, &total), kSuccess);
  return free;
}

unsigned char First(const Cuda& cu, DevicePtr memory) {
  unsigned char seen = 0;
  EXPECT_EQ(cu.cuMemcpyDtoH_v2(&seen, memory, 1), kSuccess);
  return seen;
}

MemoryPool MakePool(const Cuda& cu, HandleType handles) {
  PoolProperties properties{};
  properties.allocation_type = kAllocationPinned;
  properties.handle_types = handles;
  properties.location = {kLocationDevice, 0};
  MemoryPool pool = nullptr;
  EXPECT_EQ(cu.cuMemPoolCreate(&pool, &properties), kSuccess);
  std::uint64_t threshold = UINT64_MAX;
  EXPECT_EQ(cu.cuMemPoolSetAttribute(pool, kPoolReleaseThreshold, &threshold), kSuccess);
  return pool;
}

void* Handle(int fd) { return reinterpret_cast<void*>(std::intptr_t{fd}); }  // NOLINT

// What two programs tell each other through memory of their own.
struct Exchange {
  PoolPointerExport pointer;
  char pool[64];  // the descriptor, as a file of /proc
};

class SharedExchange {
 public:
  SharedExchange()
      : at_(static_cast<Exchange*>(mmap(nullptr, sizeof(Exchange), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  SharedExchange(const SharedExchange&) = delete;
  SharedExchange& operator=(const SharedExchange&) = delete;
  ~SharedExchange() { munmap(at_, sizeof(Exchange)); }
  Exchange* operator->() const { return at_; }

 private:
  Exchange* at_;
};

void ExportOne(const Cuda& cu, const SharedExchange& exchange, MemoryPool pool, DevicePtr memory) {
  int fd = -1;
  EXPECT_EQ(cu.cuMemPoolExportToShareableHandle(&fd, pool, kHandlePosixFileDescriptor, 0),
            kSuccess);
  const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd);
  std::strncpy(exchange->pool, path.c_str(), sizeof exchange->pool - 1);
  EXPECT_EQ(cu.cuMemPoolExportPointer(&exchange->pointer, memory), kSuccess);
}

MemoryPool Import(const Cuda& cu, const SharedExchange& exchange) {
  MemoryPool pool = nullptr;
  const int fd = open(exchange->pool, O_RDWR | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  EXPECT_EQ(cu.cuMemPoolImportFromShareableHandle(&pool, Handle(fd), kHandlePosixFileDescriptor, 0),
            kSuccess);
  close(fd);
  return pool;
}

// The owner has 64 MiB of a pool, and ends with them once the other has opened them.
TEST(CudaSharedPools, WhatWasOpenedOutlivesItsPoolAndItsOwner) {
  const CudaNode node("a100x2");
  SharedWord stage;
  const SharedExchange exchange;
  Program owner(node, [&](const Cuda& cu) {
    Begin(cu);
    const MemoryPool pool = MakePool(cu, kHandlePosixFileDescriptor);
    DevicePtr memory = 0;
    DevicePtr unshared = 0;
    EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&memory, 64 * kMiB, pool, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&unshared, 32 * kMiB, pool, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 7, 64 * kMiB), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
    ExportOne(cu, exchange, pool, memory);
    stage.Set(1);
    stage.WaitFor(2);
    EXPECT_EQ(First(cu, memory), 9);
  });
  Program other(node, [&](const Cuda& cu) {
    stage.WaitFor(1);
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    const MemoryPool pool = Import(cu, exchange);
    DevicePtr memory = 0;
    DevicePtr again = 0;
    EXPECT_EQ(cu.cuMemPoolImportPointer(&memory, pool, &exchange->pointer), kSuccess);
    EXPECT_EQ(cu.cuMemPoolImportPointer(&again, pool, &exchange->pointer), kSuccess);
    EXPECT_NE(memory, again);
    EXPECT_EQ(FreeBytes(cu), before);  // the owner has paid for it
    EXPECT_EQ(First(cu, memory), 7);
    EXPECT_EQ(cu.cuMemsetD8_v2(again, 9, 1), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
    EXPECT_EQ(First(cu, memory), 9);
    EXPECT_EQ(cu.cuMemFreeAsync(again, nullptr), kSuccess);
    // Nothing is given by an imported pool.
    DevicePtr none = 0;
    int fd = -1;
    EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&none, kMiB, pool, nullptr), kInvalidValue);
    EXPECT_EQ(cu.cuDeviceSetMemPool(0, pool), kInvalidValue);
    EXPECT_EQ(cu.cuMemPoolExportToShareableHandle(&fd, pool, kHandlePosixFileDescriptor, 0),
              kInvalidValue);
    stage.Set(2);
    stage.WaitFor(3);
    // The owner is gone, and with it its context and the block that nobody has opened.
    EXPECT_EQ(First(cu, memory), 9);
    const std::size_t held = FreeBytes(cu);
    EXPECT_EQ(cu.cuMemPoolDestroy(pool), kSuccess);
    EXPECT_EQ(cu.cuMemPoolImportPointer(&again, pool, &exchange->pointer), kInvalidValue);
    EXPECT_EQ(FreeBytes(cu), held);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    EXPECT_EQ(FreeBytes(cu), held + 64 * kMiB);
  });
  EXPECT_TRUE(owner.Ended());
  stage.Set(3);
  EXPECT_TRUE(other.Ended());
}

TEST(CudaSharedPools, OnlyWhatIsMadeForItIsExported) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    int fd = -1;
    DevicePtr memory = 0;
    PoolPointerExport pointer{};
    const MemoryPool own = MakePool(cu, kHandleNone);
    EXPECT_EQ(cu.cuMemPoolExportToShareableHandle(&fd, own, kHandlePosixFileDescriptor, 0),
              kInvalidValue);
    EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&memory, kMiB, own, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemPoolExportPointer(&pointer, memory), kInvalidValue);
    const MemoryPool shared = MakePool(cu, kHandlePosixFileDescriptor);
    EXPECT_EQ(cu.cuMemPoolExportToShareableHandle(&fd, shared, kHandleFabric, 0), kInvalidValue);
    EXPECT_EQ(cu.cuMemPoolExportToShareableHandle(&fd, shared, kHandlePosixFileDescriptor, 1),
              kInvalidValue);
    EXPECT_EQ(cu.cuMemPoolExportPointer(&pointer, 12345), kInvalidValue);
    EXPECT_EQ(cu.cuMemPoolImportPointer(&memory, shared, &pointer), kInvalidValue);
    MemoryPool imported = nullptr;
    EXPECT_EQ(
        cu.cuMemPoolImportFromShareableHandle(&imported, Handle(0), kHandlePosixFileDescriptor, 0),
        kInvalidValue);
  });
  EXPECT_TRUE(program.Ended());
}

// What is in use of a pool that is destroyed stays, and the pool can be used for nothing else.
TEST(CudaSharedPools, APoolThatIsDestroyedEndsWithItsLastAllocation) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    for (const HandleType handles : {kHandleNone, kHandlePosixFileDescriptor}) {
      const MemoryPool pool = MakePool(cu, handles);
      DevicePtr memory = 0;
      DevicePtr none = 0;
      EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&memory, 64 * kMiB, pool, nullptr), kSuccess);
      EXPECT_EQ(cu.cuMemPoolDestroy(pool), kSuccess);
      EXPECT_EQ(cu.cuMemPoolDestroy(pool), kInvalidValue);
      EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&none, kMiB, pool, nullptr), kInvalidValue);
      EXPECT_EQ(FreeBytes(cu), before - 64 * kMiB);
      EXPECT_EQ(cu.cuMemsetD8_v2(memory, 3, 1), kSuccess);
      EXPECT_EQ(First(cu, memory), 3);
      EXPECT_EQ(cu.cuMemFreeAsync(memory, nullptr), kSuccess);
      EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
      EXPECT_EQ(FreeBytes(cu), before);
    }
  });
  EXPECT_TRUE(program.Ended());
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
