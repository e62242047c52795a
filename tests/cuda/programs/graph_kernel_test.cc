// Kernels in graphs: what they compute, how long they take, and how their arguments are read and
// changed.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "sim/workloads/kernels.h"
#include "tests/cuda/programs/graphs.h"

namespace tranche::sim::cuda::testing {
namespace {

Function LoadFunction(const Cuda& cu, const char* name) {
  Module module = nullptr;
  Function function = nullptr;
  EXPECT_EQ(cu.cuModuleLoadData(&module, workloads::kKernels), kSuccess);
  EXPECT_EQ(cu.cuModuleGetFunction(&function, module, name), kSuccess);
  return function;
}

// Arguments of the kernel `fill`, for kBytes / 4 elements.
struct FillArguments {
  DevicePtr target;
  std::uint32_t value;
  std::uint32_t count = kBytes / 4;
  std::array<void*, 3> pointers{&target, &value, &count};
};

KernelNodeParams ParametersOf(Function function, void** arguments) {
  return {.function = function,
          .grid_x = 1,
          .grid_y = 1,
          .grid_z = 1,
          .block_x = 32,
          .block_y = 1,
          .block_z = 1,
          .parameters = arguments};
}
GraphNode AddKernel(const Cuda& cu, Graph graph, const Nodes& before,
                    const KernelNodeParams& parameters) {
  GraphNode node = nullptr;
  EXPECT_EQ(cu.cuGraphAddKernelNode_v2(&node, graph, before.data(), before.size(), &parameters),
            kSuccess);
  return node;
}
std::uint32_t FirstWord(const Cuda& cu, DevicePtr memory) {
  std::uint32_t word = 0;
  EXPECT_EQ(cu.cuMemcpyDtoH_v2(&word, memory, sizeof word), kSuccess);
  return word;
}

TEST(CudaGraphKernels, KeepTheArgumentsTheyWereGiven) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Function fill = LoadFunction(cu, "fill");
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    FillArguments arguments{memory, 11};
    const GraphNode node = AddKernel(cu, graph, {}, ParametersOf(fill, arguments.pointers.data()));
    arguments.value = 99;  // too late
    KernelNodeParams read{};
    EXPECT_EQ(cu.cuGraphKernelNodeGetParams_v2(node, &read), kSuccess);
    EXPECT_EQ(read.function, fill);
    EXPECT_EQ(read.block_x, 32U);
    std::uint32_t value = 0;
    std::memcpy(&value, read.parameters[1], sizeof value);
    EXPECT_EQ(value, 11U);
    const GraphExec exec = Make(cu, graph);
    Launch(cu, exec);
    EXPECT_EQ(FirstWord(cu, memory), 11U);

    arguments.value = 12;
    const KernelNodeParams changed = ParametersOf(fill, arguments.pointers.data());
    EXPECT_EQ(cu.cuGraphExecKernelNodeSetParams_v2(exec, node, &changed), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstWord(cu, memory), 12U);

    arguments.value = 13;
    EXPECT_EQ(cu.cuGraphKernelNodeSetParams_v2(node, &changed), kSuccess);
    ExecUpdateInfo info{};
    EXPECT_EQ(cu.cuGraphExecUpdate_v2(exec, graph, &info), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstWord(cu, memory), 13U);
  });
}

TEST(CudaGraphKernels, AreCapturedWithTheirArguments) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Function fill = LoadFunction(cu, "fill");
    const DevicePtr memory = MakeMemory(cu);
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuStreamCreate(&stream, kStreamNonBlocking), kSuccess);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureGlobal), kSuccess);
    FillArguments arguments{memory, 21};
    EXPECT_EQ(
        cu.cuLaunchKernel(fill, 1, 1, 1, 32, 1, 1, 0, stream, arguments.pointers.data(), nullptr),
        kSuccess);
    arguments.value = 99;
    Graph graph = nullptr;
    EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kSuccess);
    GraphNode node = nullptr;
    std::size_t count = 1;
    EXPECT_EQ(cu.cuGraphGetNodes(graph, &node, &count), kSuccess);
    KernelNodeParamsV1 read{};
    EXPECT_EQ(cu.cuGraphKernelNodeGetParams(node, &read), kSuccess);
    std::uint32_t value = 0;
    std::memcpy(&value, read.parameters[1], sizeof value);
    EXPECT_EQ(value, 21U);
    EXPECT_EQ(FirstWord(cu, memory), 0U);
    const GraphExec exec = Make(cu, graph);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(cu.cuMemsetD32_v2(memory, 0, kBytes / 4), kSuccess);
      EXPECT_EQ(cu.cuGraphLaunch(exec, stream), kSuccess);
      EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
      EXPECT_EQ(FirstWord(cu, memory), 21U);
    }
  });
}

// Kernels of one graph compute one after the other, on whatever branches they are.
TEST(CudaGraphKernels, TakeTheirTime) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Function spin = LoadFunction(cu, "spin");
    std::uint64_t nanoseconds = 2'000'000;
    std::array<void*, 1> arguments{&nanoseconds};
    const Graph graph = MakeGraph(cu);
    const KernelNodeParams parameters = ParametersOf(spin, arguments.data());
    const GraphNode root = AddKernel(cu, graph, {}, parameters);
    AddKernel(cu, graph, {root}, parameters);
    AddKernel(cu, graph, {root}, parameters);
    const GraphExec exec = Make(cu, graph);
    std::array<Event, 2> events{};
    for (Event& event : events) EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(events[0], nullptr), kSuccess);
    EXPECT_EQ(cu.cuGraphLaunch(exec, nullptr), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(events[1], nullptr), kSuccess);
    EXPECT_EQ(cu.cuEventSynchronize(events[1]), kSuccess);
    float milliseconds = 0;
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, events[0], events[1]), kSuccess);
    EXPECT_GE(milliseconds, 6.0F);
  });
}

TEST(CudaGraphKernels, MayBeKernelsOfLibraries) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    Library library = nullptr;
    Kernel fill = nullptr;
    EXPECT_EQ(cu.cuLibraryLoadData(&library, workloads::kKernels, nullptr, nullptr, 0, nullptr,
                                   nullptr, 0),
              kSuccess);
    EXPECT_EQ(cu.cuLibraryGetKernel(&fill, library, "fill"), kSuccess);
    const DevicePtr memory = MakeMemory(cu);
    FillArguments arguments{memory, 31};
    GraphNodeParams parameters{};
    parameters.type = kNodeKernel;
    parameters.kernel = ParametersOf(nullptr, arguments.pointers.data());
    parameters.kernel.kernel = fill;
    const Graph graph = MakeGraph(cu);
    GraphNode node = nullptr;
    EXPECT_EQ(cu.cuGraphAddNode(&node, graph, nullptr, 0, &parameters), kSuccess);
    Launch(cu, Make(cu, graph));
    EXPECT_EQ(FirstWord(cu, memory), 31U);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
