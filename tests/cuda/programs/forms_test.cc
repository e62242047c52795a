// Memory in its other forms: pools, virtual memory, managed memory, arrays, and what one process
// opens of another.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

constexpr std::size_t kMiB = 1U << 20U;
constexpr std::size_t kGiB = 1U << 30U;

std::size_t FreeBytes(const Cuda& cu) {
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_EQ(cu.cuMemGetInfo_v2(&free, &total), kSuccess);
  return free;
}

void RunProgram(const std::function<void(const Cuda&)>& body) {
  const CudaNode node("a100x2");
  Program program(node, body);
  EXPECT_TRUE(program.Ended());
}

std::uint64_t PoolNumber(const Cuda& cu, MemoryPool pool, PoolAttribute attribute) {
  std::uint64_t number = 0;
  EXPECT_EQ(cu.cuMemPoolGetAttribute(pool, attribute, &number), kSuccess);
  return number;
}

unsigned char First(const Cuda& cu, DevicePtr memory) {
  unsigned char seen = 0;
  EXPECT_EQ(cu.cuMemcpyDtoH_v2(&seen, memory, 1), kSuccess);
  return seen;
}

TEST(CudaPools, KeepWhatIsFreedUntilTheProgramSynchronises) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    MemoryPool pool = nullptr;
    MemoryPool current = nullptr;
    EXPECT_EQ(cu.cuDeviceGetDefaultMemPool(&pool, 0), kSuccess);
    EXPECT_EQ(cu.cuDeviceGetMemPool(&current, 0), kSuccess);
    EXPECT_EQ(pool, current);
    const std::size_t before = FreeBytes(cu);
    DevicePtr first = 0;
    DevicePtr second = 0;
    EXPECT_EQ(cu.cuMemAllocAsync(&first, 0, nullptr), kInvalidValue);
    EXPECT_EQ(cu.cuMemAllocAsync(&first, 100 * kMiB, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(first, 5, 100, nullptr), kSuccess);
    EXPECT_EQ(First(cu, first), 5);
    EXPECT_EQ(before - FreeBytes(cu), 100 * kMiB);
    EXPECT_EQ(PoolNumber(cu, pool, kPoolUsedCurrent), 100 * kMiB);
    EXPECT_EQ(cu.cuMemFreeAsync(first, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemFreeAsync(first, nullptr), kInvalidValue);
    EXPECT_EQ(PoolNumber(cu, pool, kPoolUsedCurrent), 0U);
    EXPECT_EQ(PoolNumber(cu, pool, kPoolReservedCurrent), 100 * kMiB);
    EXPECT_EQ(cu.cuMemAllocAsync(&second, 50 * kMiB, nullptr), kSuccess);
    EXPECT_EQ(second, first);  // from what the pool has
    EXPECT_EQ(cu.cuMemFreeAsync(second, nullptr), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(nullptr), kSuccess);
    EXPECT_EQ(PoolNumber(cu, pool, kPoolReservedCurrent), 0U);
    EXPECT_EQ(FreeBytes(cu), before);
  });
}

TEST(CudaPools, HoldAsMuchAsTheirThresholdSays) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    PoolProperties properties{};
    properties.allocation_type = kAllocationPinned;
    properties.location = {kLocationDevice, 0};
    MemoryPool pool = nullptr;
    EXPECT_EQ(cu.cuMemPoolCreate(&pool, &properties), kSuccess);
    std::uint64_t threshold = ~0ULL;
    EXPECT_EQ(cu.cuMemPoolSetAttribute(pool, kPoolReleaseThreshold, &threshold), kSuccess);
    const std::size_t before = FreeBytes(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAllocFromPoolAsync(&memory, 64 * kMiB, pool, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemFreeAsync(memory, nullptr), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
    EXPECT_EQ(before - FreeBytes(cu), 64 * kMiB);
    EXPECT_EQ(cu.cuMemPoolTrimTo(pool, 0), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
    MemoryPool current = nullptr;
    EXPECT_EQ(cu.cuDeviceSetMemPool(0, pool), kSuccess);
    EXPECT_EQ(cu.cuDeviceGetMemPool(&current, 0), kSuccess);
    EXPECT_EQ(current, pool);
    EXPECT_EQ(cu.cuMemPoolDestroy(pool), kSuccess);
    EXPECT_EQ(cu.cuMemPoolDestroy(pool), kInvalidValue);
    EXPECT_EQ(cu.cuDeviceGetMemPool(&current, 0), kSuccess);
    EXPECT_NE(current, pool);
  });
}

TEST(CudaPools, GiveBackWhatTheyKeepBeforeTheDeviceIsFull) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    MemoryPool pool = nullptr;
    EXPECT_EQ(cu.cuDeviceGetDefaultMemPool(&pool, 0), kSuccess);
    std::uint64_t threshold = ~0ULL;
    EXPECT_EQ(cu.cuMemPoolSetAttribute(pool, kPoolReleaseThreshold, &threshold), kSuccess);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAllocAsync(&memory, 50 * kGiB, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemFreeAsync(memory, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemAllocAsync(&memory, 60 * kGiB, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemAllocAsync(&memory, 60 * kGiB, nullptr), kOutOfMemory);
  });
}

AllocationProperties OnDevice(HandleType handles = kHandleNone) {
  AllocationProperties properties{};
  properties.type = kAllocationPinned;
  properties.requested_handle_types = handles;
  properties.location = {kLocationDevice, 0};
  return properties;
}
const AccessDescriptor kFromDevice{{kLocationDevice, 0}, kAccessReadWrite};

TEST(CudaVirtualMemory, IsMappedWhereItWasReserved) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const AllocationProperties properties = OnDevice();
    std::size_t piece = 0;
    EXPECT_EQ(cu.cuMemGetAllocationGranularity(&piece, &properties, kGranularityMinimum), kSuccess);
    EXPECT_EQ(piece, 2 * kMiB);
    const std::size_t before = FreeBytes(cu);
    DevicePtr range = 0;
    EXPECT_EQ(cu.cuMemAddressReserve(&range, 200 * kGiB, 0, 0, 0), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);  // addresses are no memory
    AllocationHandle handle = 0;
    AllocationHandle again = 0;
    EXPECT_EQ(cu.cuMemCreate(&handle, piece + 1, &properties, 0), kInvalidValue);
    EXPECT_EQ(cu.cuMemCreate(&handle, piece, &properties, 0), kSuccess);
    EXPECT_EQ(before - FreeBytes(cu), piece);
    EXPECT_EQ(cu.cuMemMap(range + piece, piece, 0, handle, 0), kSuccess);
    EXPECT_EQ(cu.cuMemMap(range + piece, piece, 0, handle, 0), kInvalidValue);
    EXPECT_EQ(cu.cuMemsetD8_v2(range + piece, 7, 1), kInvalidValue);  // nobody may touch it yet
    EXPECT_EQ(cu.cuMemSetAccess(range + piece, piece, &kFromDevice, 1), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(range + piece, 7, 1), kSuccess);
    EXPECT_EQ(First(cu, range + piece), 7);
    // The same memory in a second place.
    EXPECT_EQ(cu.cuMemMap(range, piece, 0, handle, 0), kSuccess);
    EXPECT_EQ(cu.cuMemSetAccess(range, piece, &kFromDevice, 1), kSuccess);
    EXPECT_EQ(First(cu, range), 7);
    // One range over two mappings.
    EXPECT_EQ(cu.cuMemsetD8_v2(range + piece - 1, 8, 2), kSuccess);
    EXPECT_EQ(First(cu, range), 8);
    EXPECT_EQ(cu.cuMemRetainAllocationHandle(&again, reinterpret_cast<void*>(range)), kSuccess);
    EXPECT_EQ(again, handle);
    EXPECT_EQ(cu.cuMemRelease(handle), kSuccess);
    EXPECT_EQ(cu.cuMemRelease(handle), kSuccess);
    EXPECT_EQ(cu.cuMemRelease(handle), kInvalidValue);
    EXPECT_EQ(before - FreeBytes(cu), piece);  // it is still mapped
    EXPECT_EQ(cu.cuMemAddressFree(range, 200 * kGiB), kInvalidValue);
    EXPECT_EQ(cu.cuMemUnmap(range, piece / 2), kInvalidValue);
    EXPECT_EQ(cu.cuMemUnmap(range, 2 * piece), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
    EXPECT_EQ(cu.cuMemsetD8_v2(range, 1, 1), kInvalidValue);
    EXPECT_EQ(cu.cuMemAddressFree(range, 200 * kGiB), kSuccess);
  });
}

TEST(CudaVirtualMemory, OfTheHostTakesNothingOfTheDevice) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    AllocationProperties properties = OnDevice();
    properties.location = {kLocationHostNuma, 0};
    const std::size_t before = FreeBytes(cu);
    AllocationHandle handle = 0;
    EXPECT_EQ(cu.cuMemCreate(&handle, 2 * kMiB, &properties, 0), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
    EXPECT_EQ(cu.cuMemRelease(handle), kSuccess);
    properties.location = {kLocationDevice, 9};
    EXPECT_EQ(cu.cuMemCreate(&handle, 2 * kMiB, &properties, 0), kInvalidDevice);
  });
}

TEST(CudaManagedMemory, IsTheHostsAndTheDevices) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAllocManaged(&memory, 4 * kMiB, 0), kInvalidValue);
    EXPECT_EQ(cu.cuMemAllocManaged(&memory, 4 * kMiB, kAttachGlobal), kSuccess);
    EXPECT_EQ(before - FreeBytes(cu), 4 * kMiB);
    auto* host = reinterpret_cast<char*>(memory);
    host[10] = 'x';
    EXPECT_EQ(First(cu, memory + 10), 'x');
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 0, 4 * kMiB), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
    EXPECT_EQ(host[10], 0);
    int managed = 0;
    EXPECT_EQ(cu.cuPointerGetAttribute(&managed, kPointerIsManaged, memory), kSuccess);
    EXPECT_EQ(managed, 1);
    EXPECT_EQ(cu.cuMemAdvise(memory, kMiB, kAdviseSetPreferredLocation, 0), kSuccess);
    EXPECT_EQ(cu.cuMemPrefetchAsync(memory, kMiB, kDeviceCpu, nullptr), kSuccess);
    int place = 7;
    EXPECT_EQ(cu.cuMemRangeGetAttribute(&place, sizeof place, kRangePreferredLocation, memory, 1),
              kSuccess);
    EXPECT_EQ(place, 0);
    EXPECT_EQ(
        cu.cuMemRangeGetAttribute(&place, sizeof place, kRangeLastPrefetchLocation, memory, 1),
        kSuccess);
    EXPECT_EQ(place, kDeviceCpu);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
  });
}

TEST(CudaArrays, HaveAShapeAndNoAddress) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    ArrayDescriptor shape{.width = 5, .height = 2, .format = kFormatUnsignedInt8, .channels = 1};
    Array array = nullptr;
    EXPECT_EQ(cu.cuArrayCreate_v2(&array, &shape), kSuccess);
    char text[] = "abcdefghij";
    EXPECT_EQ(cu.cuMemcpyHtoA_v2(array, 0, text, 10), kSuccess);
    EXPECT_EQ(cu.cuMemcpyHtoA_v2(array, 1, text, 10), kInvalidValue);
    char row[6] = "";
    Memcpy2d copy{};
    copy.src_type = kMemoryTypeArray;
    copy.src_array = array;
    copy.src_y = 1;
    copy.dst_type = kMemoryTypeHost;
    copy.dst_host = row;
    copy.width_bytes = 5;
    copy.height = 1;
    EXPECT_EQ(cu.cuMemcpy2D_v2(&copy), kSuccess);
    EXPECT_STREQ(row, "fghij");
    Array3dDescriptor told{};
    EXPECT_EQ(cu.cuArray3DGetDescriptor_v2(&told, array), kSuccess);
    EXPECT_EQ(told.width, 5U);
    EXPECT_EQ(told.depth, 0U);
    EXPECT_EQ(cu.cuArrayDestroy(array), kSuccess);
    EXPECT_EQ(cu.cuArrayDestroy(array), kInvalidHandle);
    shape.channels = 3;
    EXPECT_EQ(cu.cuArrayCreate_v2(&array, &shape), kInvalidValue);
    const Array3dDescriptor large{
        .width = 64, .height = 64, .depth = 0, .format = kFormatFloat, .channels = 4, .flags = 0};
    MipmappedArray mipmap = nullptr;
    EXPECT_EQ(cu.cuMipmappedArrayCreate(&mipmap, &large, 3), kSuccess);
    EXPECT_EQ(cu.cuMipmappedArrayGetLevel(&array, mipmap, 2), kSuccess);
    EXPECT_EQ(cu.cuArray3DGetDescriptor_v2(&told, array), kSuccess);
    EXPECT_EQ(told.width, 16U);
    EXPECT_EQ(cu.cuArrayDestroy(array), kInvalidValue);
    EXPECT_EQ(cu.cuMipmappedArrayDestroy(mipmap), kSuccess);
  });
}

// What two programs tell each other through memory of their own.
struct Exchange {
  IpcMemHandle small;
  IpcMemHandle large;
};

TEST(CudaIpc, MemoryOfOneProcessIsOpenedByAnother) {
  const CudaNode node("a100x2");
  SharedWord stage;
  auto* exchange = static_cast<Exchange*>(
      mmap(nullptr, sizeof(Exchange), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Program owner(node, [&](const Cuda& cu) {
    Begin(cu);
    DevicePtr small = 0;
    DevicePtr beside = 0;
    DevicePtr large = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&beside, 100), kSuccess);
    EXPECT_EQ(cu.cuMemAlloc_v2(&small, 100), kSuccess);
    EXPECT_EQ(cu.cuMemAlloc_v2(&large, 1 * kGiB), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(small, 3, 100), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(beside, 9, 100), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(large + 5 * kMiB, 4, 100), kSuccess);
    EXPECT_EQ(cu.cuIpcGetMemHandle(&exchange->small, small), kSuccess);
    EXPECT_EQ(cu.cuIpcGetMemHandle(&exchange->large, large), kSuccess);
    DevicePtr own = 0;
    EXPECT_EQ(cu.cuIpcOpenMemHandle_v2(&own, exchange->small, kIpcLazyEnablePeerAccess),
              kInvalidContext);
    stage.Set(1);
    stage.WaitFor(2);
    EXPECT_EQ(First(cu, large), 6);
    EXPECT_EQ(First(cu, beside), 9);
    stage.Set(3);
  });
  Program other(node, [&](const Cuda& cu) {
    stage.WaitFor(1);
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    DevicePtr small = 0;
    DevicePtr large = 0;
    DevicePtr again = 0;
    EXPECT_EQ(cu.cuIpcOpenMemHandle_v2(&small, exchange->small, kIpcLazyEnablePeerAccess),
              kSuccess);
    EXPECT_EQ(cu.cuIpcOpenMemHandle_v2(&large, exchange->large, kIpcLazyEnablePeerAccess),
              kSuccess);
    EXPECT_EQ(cu.cuIpcOpenMemHandle_v2(&again, exchange->large, kIpcLazyEnablePeerAccess),
              kSuccess);
    EXPECT_EQ(again, large);
    EXPECT_EQ(FreeBytes(cu), before);  // the owner has paid for it
    EXPECT_EQ(First(cu, small), 3);
    EXPECT_EQ(First(cu, large + 5 * kMiB), 4);
    EXPECT_EQ(cu.cuMemsetD8_v2(large, 6, 1), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
    EXPECT_EQ(cu.cuMemFree_v2(large), kInvalidValue);
    EXPECT_EQ(cu.cuIpcCloseMemHandle(large), kSuccess);
    EXPECT_EQ(cu.cuIpcCloseMemHandle(large), kSuccess);
    EXPECT_EQ(cu.cuIpcCloseMemHandle(large), kInvalidValue);
    stage.Set(2);
    stage.WaitFor(3);
  });
  EXPECT_TRUE(other.Ended());
  EXPECT_TRUE(owner.Ended());
  munmap(exchange, sizeof(Exchange));
}

TEST(CudaIpc, AHandleOfVirtualMemoryIsADescriptor) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const AllocationProperties properties = OnDevice(kHandlePosixFileDescriptor);
    AllocationHandle handle = 0;
    AllocationHandle imported = 0;
    DevicePtr first = 0;
    DevicePtr second = 0;
    int fd = -1;
    EXPECT_EQ(cu.cuMemCreate(&handle, 2 * kMiB, &properties, 0), kSuccess);
    EXPECT_EQ(cu.cuMemExportToShareableHandle(&fd, handle, kHandlePosixFileDescriptor, 0),
              kSuccess);
    EXPECT_EQ(
        cu.cuMemImportFromShareableHandle(&imported, reinterpret_cast<void*>(std::intptr_t{fd}),
                                          kHandlePosixFileDescriptor),
        kSuccess);
    EXPECT_NE(imported, handle);
    EXPECT_EQ(cu.cuMemImportFromShareableHandle(&imported, nullptr, kHandlePosixFileDescriptor),
              kInvalidValue);
    EXPECT_EQ(cu.cuMemAddressReserve(&first, 4 * kMiB, 0, 0, 0), kSuccess);
    second = first + 2 * kMiB;
    EXPECT_EQ(cu.cuMemMap(first, 2 * kMiB, 0, handle, 0), kSuccess);
    EXPECT_EQ(cu.cuMemMap(second, 2 * kMiB, 0, imported, 0), kSuccess);
    EXPECT_EQ(cu.cuMemSetAccess(first, 4 * kMiB, &kFromDevice, 1), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(first, 5, 1), kSuccess);
    EXPECT_EQ(First(cu, second), 5);
    const AllocationProperties closed = OnDevice();
    EXPECT_EQ(cu.cuMemCreate(&handle, 2 * kMiB, &closed, 0), kSuccess);
    EXPECT_EQ(cu.cuMemExportToShareableHandle(&fd, handle, kHandlePosixFileDescriptor, 0),
              kInvalidValue);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
