// What tests of graphs make their programs of: memory of kBytes, nodes that fill and copy it, and
// launches that are waited for.
//
// Threading: one thread.
// Errors: failures of the test.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {

inline constexpr std::size_t kBytes = 64;

inline void RunProgram(const std::function<void(const Cuda&)>& body) {
  const CudaNode node("a100x2");
  Program program(node, body);
  EXPECT_TRUE(program.Ended());
}

inline DevicePtr MakeMemory(const Cuda& cu, std::size_t bytes = kBytes) {
  DevicePtr memory = 0;
  EXPECT_EQ(cu.cuMemAlloc_v2(&memory, bytes), kSuccess);
  EXPECT_EQ(cu.cuMemsetD8_v2(memory, 0, bytes), kSuccess);
  EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
  return memory;
}
inline unsigned char FirstByte(const Cuda& cu, DevicePtr memory) {
  unsigned char byte = 0;
  EXPECT_EQ(cu.cuMemcpyDtoH_v2(&byte, memory, 1), kSuccess);
  return byte;
}
inline Graph MakeGraph(const Cuda& cu) {
  Graph graph = nullptr;
  EXPECT_EQ(cu.cuGraphCreate(&graph, 0), kSuccess);
  return graph;
}

using Nodes = std::vector<GraphNode>;

inline MemsetNodeParams FillOf(DevicePtr memory, unsigned value, std::size_t bytes = kBytes) {
  return {.dst = memory, .value = value, .element_size = 1, .width = bytes, .height = 1};
}
inline GraphNode AddFill(const Cuda& cu, Graph graph, const Nodes& before, DevicePtr memory,
                         unsigned value) {
  GraphNode node = nullptr;
  const MemsetNodeParams fill = FillOf(memory, value);
  EXPECT_EQ(cu.cuGraphAddMemsetNode(&node, graph, before.data(), before.size(), &fill, nullptr),
            kSuccess);
  return node;
}
inline GraphNode AddCopy(const Cuda& cu, Graph graph, const Nodes& before, DevicePtr to,
                         DevicePtr from) {
  GraphNode node = nullptr;
  Memcpy3d copy{};
  copy.src_type = copy.dst_type = kMemoryTypeDevice;
  copy.src_device = from;
  copy.dst_device = to;
  copy.width_bytes = kBytes;
  copy.height = copy.depth = 1;
  EXPECT_EQ(cu.cuGraphAddMemcpyNode(&node, graph, before.data(), before.size(), &copy, nullptr),
            kSuccess);
  return node;
}
inline GraphNode AddHost(const Cuda& cu, Graph graph, const Nodes& before, HostFunction function,
                         void* data) {
  GraphNode node = nullptr;
  const HostNodeParams host{.function = function, .data = data};
  EXPECT_EQ(cu.cuGraphAddHostNode(&node, graph, before.data(), before.size(), &host), kSuccess);
  return node;
}
inline GraphExec Make(const Cuda& cu, Graph graph) {
  GraphExec exec = nullptr;
  EXPECT_EQ(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), kSuccess);
  return exec;
}
inline void Launch(const Cuda& cu, GraphExec exec) {
  EXPECT_EQ(cu.cuGraphLaunch(exec, nullptr), kSuccess);
  EXPECT_EQ(cu.cuStreamSynchronize(nullptr), kSuccess);
}

}  // namespace tranche::sim::cuda::testing
