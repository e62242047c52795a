// What graphs with allocation nodes take of a device, and when.
#include <gtest/gtest.h>

#include "tests/cuda/programs/graphs.h"

namespace tranche::sim::cuda::testing {
namespace {

constexpr std::size_t kLarge = 1 << 30;

std::size_t FreeBytes(const Cuda& cu) {
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_EQ(cu.cuMemGetInfo_v2(&free, &total), kSuccess);
  return free;
}

std::uint64_t GraphMemory(const Cuda& cu, GraphMemAttribute attribute) {
  std::uint64_t bytes = 0;
  EXPECT_EQ(cu.cuDeviceGetGraphMemAttribute(0, attribute, &bytes), kSuccess);
  return bytes;
}

GraphNode AddAlloc(const Cuda& cu, Graph graph, std::size_t bytes, DevicePtr* memory) {
  MemAllocNodeParams parameters{};
  parameters.pool.allocation_type = kAllocationPinned;
  parameters.pool.location = {.type = kLocationDevice, .id = 0};
  parameters.bytes = bytes;
  GraphNode node = nullptr;
  EXPECT_EQ(cu.cuGraphAddMemAllocNode(&node, graph, nullptr, 0, &parameters), kSuccess);
  *memory = parameters.pointer;
  EXPECT_NE(*memory, 0U);
  return node;
}

// Allocates, fills, and frees again where it is told to.
GraphExec MakeAllocating(const Cuda& cu, std::size_t bytes, bool frees, DevicePtr* memory,
                         unsigned flags = 0) {
  const Graph graph = MakeGraph(cu);
  const GraphNode alloc = AddAlloc(cu, graph, bytes, memory);
  const GraphNode fill = AddFill(cu, graph, {alloc}, *memory, 5);
  GraphNode freed = nullptr;
  if (frees) {
    EXPECT_EQ(cu.cuGraphAddMemFreeNode(&freed, graph, &fill, 1, *memory), kSuccess);
  }
  GraphExec exec = nullptr;
  EXPECT_EQ(cu.cuGraphInstantiateWithFlags(&exec, graph, flags), kSuccess);
  EXPECT_EQ(cu.cuGraphDestroy(graph), kSuccess);
  return exec;
}

TEST(CudaGraphMemory, IsTakenByTheLaunchAndKeptUntilItIsTrimmed) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    DevicePtr memory = 0;
    const GraphExec exec = MakeAllocating(cu, kLarge, false, &memory);
    EXPECT_EQ(FreeBytes(cu), before) << "a node has an address and no memory";
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 5);
    EXPECT_EQ(FreeBytes(cu) + kLarge, before);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);
    EXPECT_EQ(GraphMemory(cu, kGraphMemUsedCurrent), kLarge);
    EXPECT_EQ(cu.cuDeviceGraphMemTrim(0), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge) << "it is in use";
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kInvalidValue);
    EXPECT_EQ(GraphMemory(cu, kGraphMemUsedCurrent), 0U);
    EXPECT_EQ(FreeBytes(cu) + kLarge, before);
    EXPECT_EQ(cu.cuGraphExecDestroy(exec), kSuccess);
    EXPECT_EQ(FreeBytes(cu) + kLarge, before);
    EXPECT_EQ(cu.cuDeviceGraphMemTrim(0), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), 0U);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedHigh), kLarge);
    std::uint64_t none = 0;
    EXPECT_EQ(cu.cuDeviceSetGraphMemAttribute(0, kGraphMemReservedHigh, &none), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedHigh), 0U);
    EXPECT_EQ(cu.cuDeviceSetGraphMemAttribute(0, kGraphMemReservedCurrent, &none), kInvalidValue);
  });
}

TEST(CudaGraphMemory, IsSharedByTheGraphsOfAStream) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr first = 0;
    DevicePtr second = 0;
    DevicePtr third = 0;
    const GraphExec one = MakeAllocating(cu, kLarge, true, &first);
    const GraphExec other = MakeAllocating(cu, kLarge / 2, true, &second);
    const GraphExec elsewhere = MakeAllocating(cu, kLarge, true, &third);
    for (int i = 0; i < 3; ++i) {
      Launch(cu, one);
      Launch(cu, other);
    }
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);
    EXPECT_EQ(GraphMemory(cu, kGraphMemUsedCurrent), 0U);
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuStreamCreate(&stream, 0), kSuccess);
    EXPECT_EQ(cu.cuGraphLaunch(elsewhere, stream), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), 2 * kLarge);
    EXPECT_EQ(cu.cuDeviceGraphMemTrim(0), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), 0U);
    Launch(cu, one);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);
  });
}

TEST(CudaGraphMemory, ThatIsStillInUseIsNotAllocatedAgain) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    const GraphExec exec = MakeAllocating(cu, kLarge, false, &memory);
    Launch(cu, exec);
    EXPECT_EQ(cu.cuGraphLaunch(exec, nullptr), kInvalidValue);
    EXPECT_EQ(cu.cuMemFreeAsync(memory, nullptr), kSuccess);
    Launch(cu, exec);
    const GraphExec freeing =
        MakeAllocating(cu, kLarge, false, &memory, kInstantiateAutoFreeOnLaunch);
    Launch(cu, freeing);
    Launch(cu, freeing);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), 2 * kLarge);
  });
}

TEST(CudaGraphMemory, IsTakenByAnUploadToo) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    const GraphExec exec = MakeAllocating(cu, kLarge, true, &memory);
    EXPECT_EQ(cu.cuGraphUpload(exec, nullptr), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);
    EXPECT_EQ(GraphMemory(cu, kGraphMemUsedCurrent), 0U);
    Launch(cu, exec);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);

    const Graph graph = MakeGraph(cu);
    AddAlloc(cu, graph, kLarge, &memory);
    InstantiateParams parameters{.flags = kInstantiateUpload, .upload_stream = nullptr};
    GraphExec uploaded = nullptr;
    EXPECT_EQ(cu.cuDeviceGraphMemTrim(0), kSuccess);
    EXPECT_EQ(cu.cuGraphInstantiateWithParams(&uploaded, graph, &parameters), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);
  });
}

TEST(CudaGraphMemory, OfCapturedAllocationsIsAGraphsToo) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuStreamCreate(&stream, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureRelaxed), kSuccess);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAllocAsync(&memory, kLarge, stream), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 7, kBytes, stream), kSuccess);
    EXPECT_EQ(cu.cuMemFreeAsync(memory, stream), kSuccess);
    Graph graph = nullptr;
    EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kSuccess);
    const GraphExec exec = Make(cu, graph);
    EXPECT_EQ(FreeBytes(cu), before);
    EXPECT_EQ(cu.cuGraphLaunch(exec, stream), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
    EXPECT_EQ(FreeBytes(cu) + kLarge, before);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), kLarge);
  });
}

TEST(CudaGraphMemory, BeyondTheDeviceIsRefusedAsAWhole) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    const Graph graph = MakeGraph(cu);
    DevicePtr memory = 0;
    for (int i = 0; i < 3; ++i) AddAlloc(cu, graph, before / 2 - kLarge, &memory);
    const GraphExec exec = Make(cu, graph);
    EXPECT_EQ(cu.cuGraphLaunch(exec, nullptr), kOutOfMemory);
    EXPECT_EQ(GraphMemory(cu, kGraphMemUsedCurrent), 0U);
    EXPECT_EQ(cu.cuDeviceGraphMemTrim(0), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
  });
}

TEST(CudaGraphMemory, EndsWithTheContext) {
  RunProgram([](const Cuda& cu) {
    const Context context = Begin(cu);
    DevicePtr memory = 0;
    Launch(cu, MakeAllocating(cu, kLarge, false, &memory));
    Launch(cu, MakeAllocating(cu, kLarge, true, &memory));
    EXPECT_EQ(cu.cuCtxDestroy_v2(context), kSuccess);
    EXPECT_EQ(GraphMemory(cu, kGraphMemReservedCurrent), 0U);
    EXPECT_EQ(GraphMemory(cu, kGraphMemUsedCurrent), 0U);
    EXPECT_EQ(cu.cuDeviceGraphMemTrim(0), kSuccess);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
