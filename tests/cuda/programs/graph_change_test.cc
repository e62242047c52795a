// Graphs that are changed after they were instantiated, node by node and as a whole.
#include <gtest/gtest.h>

#include "tests/cuda/programs/graphs.h"

namespace tranche::sim::cuda::testing {
namespace {

TEST(CudaGraphs, CanBeChangedAfterTheyWereInstantiated) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    const GraphNode node = AddFill(cu, graph, {}, memory, 1);
    const GraphExec exec = Make(cu, graph);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 1);
    MemsetNodeParams fill = FillOf(memory, 2);
    // The graph's own node does not change what has been instantiated.
    EXPECT_EQ(cu.cuGraphMemsetNodeSetParams(node, &fill), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 1);
    fill.value = 3;
    EXPECT_EQ(cu.cuGraphExecMemsetNodeSetParams(exec, node, &fill, nullptr), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 3);

    ExecUpdateInfo info{};
    EXPECT_EQ(cu.cuGraphExecUpdate_v2(exec, graph, &info), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 2);
    unsigned enabled = 0;
    EXPECT_EQ(cu.cuGraphNodeSetEnabled(exec, node, 0), kSuccess);
    EXPECT_EQ(cu.cuGraphNodeGetEnabled(exec, node, &enabled), kSuccess);
    EXPECT_EQ(enabled, 0U);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 7, kBytes), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 7);
  });
}

TEST(CudaGraphs, AreNotUpdatedFromOnesOfAnotherShape) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    const GraphNode first = AddFill(cu, graph, {}, memory, 1);
    AddFill(cu, graph, {first}, memory, 2);
    const GraphExec exec = Make(cu, graph);
    const auto update = [&](Graph from) {
      ExecUpdateInfo info{};
      EXPECT_EQ(cu.cuGraphExecUpdate_v2(exec, from, &info), kGraphExecUpdateFailure);
      return info;
    };
    const Graph shorter = MakeGraph(cu);
    AddFill(cu, shorter, {}, memory, 1);
    EXPECT_EQ(update(shorter).result, kExecUpdateTopologyChanged);
    AddFill(cu, shorter, {}, memory, 2);
    EXPECT_EQ(update(shorter).result, kExecUpdateTopologyChanged);
    const Graph other = MakeGraph(cu);
    const GraphNode fill = AddFill(cu, other, {}, memory, 1);
    const GraphNode copy = AddCopy(cu, other, {fill}, memory, memory);
    const ExecUpdateInfo info = update(other);
    EXPECT_EQ(info.result, kExecUpdateNodeTypeChanged);
    EXPECT_EQ(info.error_node, copy);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, memory), 2);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
