// Graphs: how they are built, what a launch does, and how they are changed.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/cuda/programs/graphs.h"

namespace tranche::sim::cuda::testing {
namespace {

TEST(CudaGraphs, DoTheirNodesInTheOrderOfTheirDependencies) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr from = MakeMemory(cu);
    const DevicePtr to = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    // Added in the wrong order: the copy comes before what it waits for.
    const GraphNode copy = AddCopy(cu, graph, {}, to, from);
    const GraphNode fill = AddFill(cu, graph, {}, from, 8);
    EXPECT_EQ(cu.cuGraphAddDependencies(graph, &fill, &copy, 1), kSuccess);
    EXPECT_EQ(cu.cuGraphAddDependencies(graph, &fill, &copy, 1), kInvalidValue);
    AddFill(cu, graph, {copy}, from, 9);
    const GraphExec exec = Make(cu, graph);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, to), 8);
    EXPECT_EQ(FirstByte(cu, from), 9);
    EXPECT_EQ(cu.cuGraphExecDestroy(exec), kSuccess);
    EXPECT_EQ(cu.cuGraphLaunch(exec, nullptr), kInvalidValue);
  });
}

TEST(CudaGraphs, WithACircleAreRefused) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    const GraphNode first = AddFill(cu, graph, {}, memory, 1);
    const GraphNode second = AddFill(cu, graph, {first}, memory, 2);
    EXPECT_EQ(cu.cuGraphAddDependencies(graph, &second, &first, 1), kSuccess);
    GraphExec exec = nullptr;
    EXPECT_EQ(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), kInvalidValue);
    InstantiateParams parameters{};
    EXPECT_EQ(cu.cuGraphInstantiateWithParams(&exec, graph, &parameters), kInvalidValue);
    EXPECT_EQ(parameters.result, kInstantiateInvalidStructure);
    EXPECT_EQ(cu.cuGraphRemoveDependencies(graph, &second, &first, 1), kSuccess);
    EXPECT_EQ(cu.cuGraphInstantiateWithParams(&exec, graph, &parameters), kSuccess);
    EXPECT_EQ(parameters.result, kInstantiateSuccess);
  });
}

TEST(CudaGraphs, RunHostFunctionsBetweenTheirOtherNodes) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    struct Seen {
      char* word;
      char at_call;
    } seen{};
    void* pinned = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&pinned, kBytes, 0), kSuccess);
    seen.word = static_cast<char*>(pinned);
    *seen.word = 0;
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    const GraphNode fill = AddFill(cu, graph, {}, memory, 3);
    const GraphNode copy =
        AddCopy(cu, graph, {fill}, reinterpret_cast<std::uintptr_t>(pinned), memory);
    const GraphNode host = AddHost(
        cu, graph, {copy},
        [](void* data) {
          auto* const what = static_cast<Seen*>(data);
          what->at_call = *what->word;
        },
        &seen);
    AddFill(cu, graph, {host}, memory, 4);
    Launch(cu, Make(cu, graph));
    EXPECT_EQ(seen.at_call, 3);
    EXPECT_EQ(FirstByte(cu, memory), 4);
  });
}

// All is given to a stream that waits for a word, so that it is done without a break afterwards and
// the driver's time has nothing of how long the program takes to call.
TEST(CudaGraphs, TakeTimeAsTheirNodesDo) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    constexpr std::size_t kLarge = 1 << 30;
    const DevicePtr memory = MakeMemory(cu, kLarge);
    void* pinned = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&pinned, 4096, 0), kSuccess);
    auto* const word = static_cast<std::uint32_t*>(pinned);
    std::array<Event, 3> events{};
    for (Event& event : events) EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    const Graph graph = MakeGraph(cu);
    GraphNode last = nullptr;
    const MemsetNodeParams fill = FillOf(memory, 0, kLarge);
    for (int i = 0; i < 10; ++i) {
      const GraphNode before = last;
      EXPECT_EQ(cu.cuGraphAddMemsetNode(&last, graph, &before, i == 0 ? 0 : 1, &fill, nullptr),
                kSuccess);
    }
    const GraphExec exec = Make(cu, graph);
    EXPECT_EQ(
        cu.cuStreamWaitValue32(nullptr, reinterpret_cast<std::uintptr_t>(word), 1, kWaitValueEq),
        kSuccess);
    EXPECT_EQ(cu.cuEventRecord(events[0], nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 0, kLarge, nullptr), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(events[1], nullptr), kSuccess);
    EXPECT_EQ(cu.cuGraphLaunch(exec, nullptr), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(events[2], nullptr), kSuccess);
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    EXPECT_EQ(cu.cuEventSynchronize(events[2]), kSuccess);
    float one = 0;
    float ten = 0;
    EXPECT_EQ(cu.cuEventElapsedTime(&one, events[0], events[1]), kSuccess);
    EXPECT_EQ(cu.cuEventElapsedTime(&ten, events[1], events[2]), kSuccess);
    EXPECT_GT(one, 0);
    EXPECT_NEAR(ten, 10 * one, 0.01 * one);
  });
}

TEST(CudaGraphs, HoldChildGraphsAsCopies) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu);
    const Graph child = MakeGraph(cu);
    AddFill(cu, child, {}, memory, 1);
    const Graph graph = MakeGraph(cu);
    GraphNode node = nullptr;
    EXPECT_EQ(cu.cuGraphAddChildGraphNode(&node, graph, nullptr, 0, child), kSuccess);
    AddFill(cu, child, {}, memory, 2);  // too late
    Graph inside = nullptr;
    EXPECT_EQ(cu.cuGraphChildGraphNodeGetGraph(node, &inside), kSuccess);
    std::size_t count = 0;
    EXPECT_EQ(cu.cuGraphGetNodes(inside, nullptr, &count), kSuccess);
    EXPECT_EQ(count, 1U);
    EXPECT_EQ(cu.cuGraphDestroy(inside), kInvalidValue);
    AddFill(cu, graph, {}, memory, 9);
    EXPECT_EQ(cu.cuGraphDestroy(child), kSuccess);
    const GraphExec exec = Make(cu, graph);

    const Graph other = MakeGraph(cu);
    const DevicePtr elsewhere = MakeMemory(cu);
    AddFill(cu, other, {}, elsewhere, 6);
    EXPECT_EQ(cu.cuGraphExecChildGraphNodeSetParams(exec, node, other), kSuccess);
    Launch(cu, exec);
    EXPECT_EQ(FirstByte(cu, elsewhere), 6);
    EXPECT_EQ(FirstByte(cu, memory), 9);
  });
}

TEST(CudaGraphs, TellTheirShapeAndAreClonedWithIt) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    const GraphNode root = AddFill(cu, graph, {}, memory, 1);
    const GraphNode left = AddFill(cu, graph, {root}, memory, 2);
    const GraphNode right = AddFill(cu, graph, {root}, memory, 3);
    const GraphNode end = AddFill(cu, graph, {left, right}, memory, 4);
    Graph clone = nullptr;
    EXPECT_EQ(cu.cuGraphClone(&clone, graph), kSuccess);
    std::array<GraphNode, 8> nodes{};
    std::array<GraphNode, 8> to{};
    std::size_t count = 8;
    EXPECT_EQ(cu.cuGraphGetRootNodes(graph, nodes.data(), &count), kSuccess);
    EXPECT_EQ(count, 1U);
    EXPECT_EQ(nodes[0], root);
    EXPECT_EQ(cu.cuGraphGetEdges(clone, nodes.data(), to.data(), &(count = 8)), kSuccess);
    EXPECT_EQ(count, 4U);
    EXPECT_EQ(nodes[4], nullptr);
    EXPECT_EQ(cu.cuGraphNodeGetDependentNodes(root, nodes.data(), &(count = 8)), kSuccess);
    EXPECT_EQ(count, 2U);
    GraphNode twin = nullptr;
    EXPECT_EQ(cu.cuGraphNodeFindInClone(&twin, end, clone), kSuccess);
    EXPECT_NE(twin, end);
    EXPECT_EQ(cu.cuGraphNodeFindInClone(&twin, end, graph), kInvalidValue);
    EXPECT_EQ(cu.cuGraphDestroyNode(left), kSuccess);
    EXPECT_EQ(cu.cuGraphGetEdges(graph, nullptr, nullptr, &count), kSuccess);
    EXPECT_EQ(count, 2U);
    EXPECT_EQ(cu.cuGraphDestroy(graph), kSuccess);
    GraphNodeType type{};
    EXPECT_EQ(cu.cuGraphNodeGetType(end, &type), kInvalidValue);
    EXPECT_EQ(cu.cuGraphGetNodes(graph, nullptr, &count), kInvalidValue);
    Launch(cu, Make(cu, clone));
    EXPECT_EQ(FirstByte(cu, memory), 4);
  });
}

TEST(CudaGraphs, RecordAndAwaitEvents) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    Event event = nullptr;
    EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    const Graph graph = MakeGraph(cu);
    GraphNode node = nullptr;
    EXPECT_EQ(cu.cuGraphAddEventRecordNode(&node, graph, nullptr, 0, event), kSuccess);
    Event kept = nullptr;
    EXPECT_EQ(cu.cuGraphEventRecordNodeGetEvent(node, &kept), kSuccess);
    EXPECT_EQ(kept, event);
    Launch(cu, Make(cu, graph));
    float milliseconds = 0;
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, event, event), kSuccess);  // it was recorded
  });
}

TEST(CudaGraphs, KeepUserObjectsAlive) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    int destroyed = 0;
    UserObject object = nullptr;
    const auto destroy = [](void* data) { ++*static_cast<int*>(data); };
    EXPECT_EQ(cu.cuUserObjectCreate(&object, &destroyed, destroy, 1, 0), kInvalidValue);
    EXPECT_EQ(cu.cuUserObjectCreate(&object, &destroyed, destroy, 1, kUserObjectNoDestructorSync),
              kSuccess);
    const Graph graph = MakeGraph(cu);
    EXPECT_EQ(cu.cuGraphRetainUserObject(graph, object, 1, kGraphUserObjectMove), kSuccess);
    Graph clone = nullptr;
    EXPECT_EQ(cu.cuGraphClone(&clone, graph), kSuccess);
    EXPECT_EQ(cu.cuGraphDestroy(graph), kSuccess);
    EXPECT_EQ(destroyed, 0);
    const GraphExec exec = Make(cu, clone);
    EXPECT_EQ(cu.cuGraphDestroy(clone), kSuccess);
    EXPECT_EQ(destroyed, 0);
    EXPECT_EQ(cu.cuGraphExecDestroy(exec), kSuccess);
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(cu.cuUserObjectRelease(object, 1), kInvalidValue);
  });
}

TEST(CudaGraphs, OfMoreNodesThanTheDriverTakesAreDoneAllTheSame) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu);
    const Graph graph = MakeGraph(cu);
    Nodes fan;
    for (unsigned i = 0; i < link::kMaxGraphNodes; ++i) {
      fan.push_back(AddFill(cu, graph, {}, memory, i & 0x7F));
    }
    AddFill(cu, graph, fan, memory, 0xEE);
    Launch(cu, Make(cu, graph));
    EXPECT_EQ(FirstByte(cu, memory), 0xEE);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
