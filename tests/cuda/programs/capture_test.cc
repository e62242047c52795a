// Stream capture: what becomes a node, what is refused, and what a refusal does to the capture.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

void RunProgram(const std::function<void(const Cuda&)>& body) {
  const CudaNode node("a100x2");
  Program program(node, body);
  EXPECT_TRUE(program.Ended());
}

Stream MakeStream(const Cuda& cu, unsigned flags = kStreamNonBlocking) {
  Stream stream = nullptr;
  EXPECT_EQ(cu.cuStreamCreate(&stream, flags), kSuccess);
  return stream;
}
Event MakeEvent(const Cuda& cu) {
  Event event = nullptr;
  EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
  return event;
}
DevicePtr MakeMemory(const Cuda& cu, std::size_t bytes) {
  DevicePtr memory = 0;
  EXPECT_EQ(cu.cuMemAlloc_v2(&memory, bytes), kSuccess);
  EXPECT_EQ(cu.cuMemsetD8_v2(memory, 0, bytes), kSuccess);
  EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
  return memory;
}
unsigned char FirstByte(const Cuda& cu, DevicePtr memory) {
  unsigned char byte = 0;
  EXPECT_EQ(cu.cuMemcpyDtoH_v2(&byte, memory, 1), kSuccess);
  return byte;
}
CaptureStatus StatusOf(const Cuda& cu, Stream stream) {
  CaptureStatus status = kCaptureNone;
  EXPECT_EQ(cu.cuStreamIsCapturing(stream, &status), kSuccess);
  return status;
}
std::size_t NodeCount(const Cuda& cu, Graph graph) {
  std::size_t count = 0;
  EXPECT_EQ(cu.cuGraphGetNodes(graph, nullptr, &count), kSuccess);
  return count;
}
void Fill(const Cuda& cu, DevicePtr memory, unsigned char value, Stream stream) {
  EXPECT_EQ(cu.cuMemsetD8Async(memory, value, 64, stream), kSuccess);
}
// Ends a capture that has been invalidated.
void ExpectInvalidated(const Cuda& cu, Stream stream) {
  EXPECT_EQ(StatusOf(cu, stream), kCaptureInvalidated);
  Graph graph = nullptr;
  EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kStreamCaptureInvalidated);
  EXPECT_EQ(graph, nullptr);
  EXPECT_EQ(StatusOf(cu, stream), kCaptureNone);
}

TEST(CudaCapture, WorkIsNotDoneUntilTheGraphIsLaunched) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu, 64);
    const Stream stream = MakeStream(cu);
    EXPECT_EQ(StatusOf(cu, stream), kCaptureNone);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureRelaxed), kSuccess);
    EXPECT_EQ(StatusOf(cu, stream), kCaptureActive);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureRelaxed), kIllegalState);
    Fill(cu, memory, 7, stream);
    Fill(cu, memory, 9, stream);
    Graph graph = nullptr;
    EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kSuccess);
    EXPECT_EQ(StatusOf(cu, stream), kCaptureNone);
    EXPECT_EQ(FirstByte(cu, memory), 0);

    std::vector<GraphNode> nodes(2);
    std::size_t count = 2;
    EXPECT_EQ(cu.cuGraphGetNodes(graph, nodes.data(), &count), kSuccess);
    MemsetNodeParams fill{};
    EXPECT_EQ(cu.cuGraphMemsetNodeGetParams(nodes[0], &fill), kSuccess);
    EXPECT_EQ(fill.value, 7U);
    GraphNode before = nullptr;
    EXPECT_EQ(cu.cuGraphNodeGetDependencies(nodes[1], &before, &(count = 1)), kSuccess);
    EXPECT_EQ(before, nodes[0]);

    GraphExec exec = nullptr;
    EXPECT_EQ(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), kSuccess);
    for (int i = 0; i < 2; ++i) {
      Fill(cu, memory, 1, stream);
      EXPECT_EQ(cu.cuGraphLaunch(exec, stream), kSuccess);
      EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
      EXPECT_EQ(FirstByte(cu, memory), 9);
    }
    EXPECT_EQ(cu.cuGraphExecDestroy(exec), kSuccess);
    EXPECT_EQ(cu.cuGraphDestroy(graph), kSuccess);
  });
}

TEST(CudaCapture, SpreadsToStreamsThatWaitForItsEventsAndHasToComeBack) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu, 64);
    const Stream origin = MakeStream(cu);
    const Stream other = MakeStream(cu);
    const Event fork = MakeEvent(cu);
    const Event join = MakeEvent(cu);
    const auto begin = [&] {
      EXPECT_EQ(cu.cuStreamBeginCapture_v2(origin, kCaptureThreadLocal), kSuccess);
      Fill(cu, memory, 1, origin);
      EXPECT_EQ(cu.cuEventRecord(fork, origin), kSuccess);
      EXPECT_EQ(cu.cuStreamWaitEvent(other, fork, 0), kSuccess);
      EXPECT_EQ(StatusOf(cu, other), kCaptureActive);
      Fill(cu, memory, 2, other);
    };
    Graph graph = nullptr;
    begin();
    EXPECT_EQ(cu.cuStreamEndCapture(origin, &graph), kStreamCaptureUnjoined);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(StatusOf(cu, other), kCaptureNone);

    begin();
    EXPECT_EQ(cu.cuEventRecord(join, other), kSuccess);
    EXPECT_EQ(cu.cuStreamWaitEvent(origin, join, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamEndCapture(origin, &graph), kSuccess);
    EXPECT_EQ(NodeCount(cu, graph), 2U);
    EXPECT_EQ(StatusOf(cu, other), kCaptureNone);
    // The other stream may be used again, and may have been destroyed while it was captured.
    Fill(cu, memory, 3, other);
    EXPECT_EQ(cu.cuStreamSynchronize(other), kSuccess);

    begin();
    EXPECT_EQ(cu.cuStreamEndCapture(other, &graph), kStreamCaptureUnmatched);
    ExpectInvalidated(cu, origin);

    begin();
    EXPECT_EQ(cu.cuEventRecord(join, other), kSuccess);
    EXPECT_EQ(cu.cuStreamWaitEvent(origin, join, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamDestroy_v2(other), kSuccess);
    EXPECT_EQ(cu.cuStreamEndCapture(origin, &graph), kSuccess);
    EXPECT_EQ(NodeCount(cu, graph), 2U);
  });
}

TEST(CudaCapture, RefusesToWaitForWhatIsCaptured) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Stream stream = MakeStream(cu);
    const Event event = MakeEvent(cu);
    const auto begin = [&] {
      EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureRelaxed), kSuccess);
    };
    begin();
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kStreamCaptureUnsupported);
    ExpectInvalidated(cu, stream);
    begin();
    EXPECT_EQ(cu.cuStreamQuery(stream), kStreamCaptureUnsupported);
    ExpectInvalidated(cu, stream);
    begin();
    EXPECT_EQ(cu.cuEventRecord(event, stream), kSuccess);
    EXPECT_EQ(cu.cuEventSynchronize(event), kCapturedEvent);
    ExpectInvalidated(cu, stream);
  });
}

TEST(CudaCapture, KeepsApartWhatIsCapturedAndWhatIsNot) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu, 64);
    const Stream first = MakeStream(cu);
    const Stream second = MakeStream(cu);
    const Event event = MakeEvent(cu);
    EXPECT_EQ(cu.cuEventRecord(event, second), kSuccess);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(first, kCaptureRelaxed), kSuccess);
    EXPECT_EQ(cu.cuStreamWaitEvent(first, event, 0), kStreamCaptureIsolation);
    ExpectInvalidated(cu, first);

    EXPECT_EQ(cu.cuStreamBeginCapture_v2(first, kCaptureRelaxed), kSuccess);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(second, kCaptureRelaxed), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(event, second), kSuccess);
    EXPECT_EQ(cu.cuStreamWaitEvent(first, event, 0), kStreamCaptureMerge);
    ExpectInvalidated(cu, first);
    ExpectInvalidated(cu, second);
    Fill(cu, memory, 1, first);
  });
}

TEST(CudaCapture, TheDefaultStreamIsNotCapturedAndNotUsedBesideABlockingStreamThatIs) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu, 64);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(nullptr, kCaptureRelaxed), kStreamCaptureUnsupported);
    const Stream blocking = MakeStream(cu, kStreamDefault);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(blocking, kCaptureRelaxed), kSuccess);
    CaptureStatus status = kCaptureNone;
    EXPECT_EQ(cu.cuStreamIsCapturing(nullptr, &status), kStreamCaptureImplicit);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 1, 64, nullptr), kStreamCaptureImplicit);
    ExpectInvalidated(cu, blocking);
    const Stream non_blocking = MakeStream(cu);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(non_blocking, kCaptureRelaxed), kSuccess);
    Fill(cu, memory, 1, nullptr);
    Graph graph = nullptr;
    EXPECT_EQ(cu.cuStreamEndCapture(non_blocking, &graph), kSuccess);
  });
}

// What an unsafe call answers on this thread, while a capture of `mode` is under way there or on
// another one.
struct Unsafe {
  Result here;
  Result on_another_thread;
};
Unsafe CallUnsafely(const Cuda& cu, CaptureMode mode, CaptureMode of_other_thread) {
  Unsafe unsafe{};
  Context context = nullptr;
  EXPECT_EQ(cu.cuCtxGetCurrent(&context), kSuccess);
  const Stream stream = MakeStream(cu);
  DevicePtr memory = 0;
  EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, mode), kSuccess);
  unsafe.here = cu.cuMemAlloc_v2(&memory, 64);
  EXPECT_EQ(StatusOf(cu, stream), unsafe.here == kSuccess ? kCaptureActive : kCaptureInvalidated);
  Graph graph = nullptr;
  cu.cuStreamEndCapture(stream, &graph);
  EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, mode), kSuccess);
  std::thread([&] {
    EXPECT_EQ(cu.cuCtxSetCurrent(context), kSuccess);
    CaptureMode exchanged = of_other_thread;
    EXPECT_EQ(cu.cuThreadExchangeStreamCaptureMode(&exchanged), kSuccess);
    EXPECT_EQ(exchanged, kCaptureGlobal);
    unsafe.on_another_thread = cu.cuMemAlloc_v2(&memory, 64);
  }).join();
  cu.cuStreamEndCapture(stream, &graph);
  return unsafe;
}

TEST(CudaCapture, UnsafeCallsBreakIt) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    Unsafe answers = CallUnsafely(cu, kCaptureGlobal, kCaptureGlobal);
    EXPECT_EQ(answers.here, kStreamCaptureUnsupported);
    EXPECT_EQ(answers.on_another_thread, kStreamCaptureUnsupported);
    answers = CallUnsafely(cu, kCaptureGlobal, kCaptureThreadLocal);
    EXPECT_EQ(answers.on_another_thread, kSuccess);
    answers = CallUnsafely(cu, kCaptureThreadLocal, kCaptureGlobal);
    EXPECT_EQ(answers.here, kStreamCaptureUnsupported);
    EXPECT_EQ(answers.on_another_thread, kSuccess);
    answers = CallUnsafely(cu, kCaptureRelaxed, kCaptureGlobal);
    EXPECT_EQ(answers.here, kSuccess);
    EXPECT_EQ(answers.on_another_thread, kSuccess);
    CaptureMode relaxed = kCaptureRelaxed;
    EXPECT_EQ(cu.cuThreadExchangeStreamCaptureMode(&relaxed), kSuccess);
    answers = CallUnsafely(cu, kCaptureGlobal, kCaptureRelaxed);
    EXPECT_EQ(answers.here, kSuccess);
    EXPECT_EQ(answers.on_another_thread, kSuccess);
  });
}

TEST(CudaCapture, IsEndedByTheThreadThatBeganItUnlessItIsRelaxed) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Stream stream = MakeStream(cu);
    Graph graph = nullptr;
    const auto end_elsewhere = [&] {
      Result result = kSuccess;
      std::thread([&] { result = cu.cuStreamEndCapture(stream, &graph); }).join();
      return result;
    };
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureGlobal), kSuccess);
    EXPECT_EQ(end_elsewhere(), kStreamCaptureWrongThread);
    EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kSuccess);
    EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kIllegalState);
    EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureRelaxed), kSuccess);
    EXPECT_EQ(end_elsewhere(), kSuccess);
  });
}

TEST(CudaCapture, TellsAndTakesTheNodesThatTheNextOneWaitsFor) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu, 64);
    const Stream stream = MakeStream(cu);
    Graph graph = nullptr;
    EXPECT_EQ(cu.cuGraphCreate(&graph, 0), kSuccess);
    GraphNode first = nullptr;
    EXPECT_EQ(cu.cuGraphAddEmptyNode(&first, graph, nullptr, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamBeginCaptureToGraph(stream, graph, &first, nullptr, 1, kCaptureRelaxed),
              kSuccess);
    Fill(cu, memory, 1, stream);
    CaptureStatus status = kCaptureNone;
    std::uint64_t id = 0;
    Graph into = nullptr;
    const GraphNode* tips = nullptr;
    const GraphEdgeData* edges = nullptr;
    std::size_t count = 0;
    EXPECT_EQ(cu.cuStreamGetCaptureInfo_v3(stream, &status, &id, &into, &tips, &edges, &count),
              kSuccess);
    EXPECT_EQ(status, kCaptureActive);
    EXPECT_NE(id, 0U);
    EXPECT_EQ(into, graph);
    ASSERT_EQ(count, 1U);
    GraphNodeType type{};
    EXPECT_EQ(cu.cuGraphNodeGetType(tips[0], &type), kSuccess);
    EXPECT_EQ(type, kNodeMemset);
    EXPECT_EQ(cu.cuStreamUpdateCaptureDependencies(stream, &first, 1, kCaptureAddDependencies),
              kSuccess);
    Fill(cu, memory, 2, stream);
    Graph ended = nullptr;
    EXPECT_EQ(cu.cuStreamEndCapture(stream, &ended), kSuccess);
    EXPECT_EQ(ended, graph);
    std::vector<GraphNode> nodes(3);
    EXPECT_EQ(cu.cuGraphGetNodes(graph, nodes.data(), &(count = 3)), kSuccess);
    EXPECT_EQ(cu.cuGraphNodeGetDependencies(nodes[2], nullptr, &count), kSuccess);
    EXPECT_EQ(count, 2U);
    EXPECT_EQ(cu.cuStreamUpdateCaptureDependencies(stream, &first, 1, 0), kIllegalState);
  });
}

TEST(CudaCapture, ALaunchedGraphIsANodeOfTheCapturingOne) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr memory = MakeMemory(cu, 64);
    const Stream stream = MakeStream(cu);
    const auto capture = [&](const std::function<void()>& work) {
      EXPECT_EQ(cu.cuStreamBeginCapture_v2(stream, kCaptureGlobal), kSuccess);
      work();
      Graph graph = nullptr;
      EXPECT_EQ(cu.cuStreamEndCapture(stream, &graph), kSuccess);
      GraphExec exec = nullptr;
      EXPECT_EQ(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), kSuccess);
      EXPECT_EQ(cu.cuGraphDestroy(graph), kSuccess);
      return exec;
    };
    const GraphExec inner = capture([&] { Fill(cu, memory, 5, stream); });
    const GraphExec outer = capture([&] {
      Fill(cu, memory, 4, stream);
      EXPECT_EQ(cu.cuGraphLaunch(inner, stream), kSuccess);
    });
    EXPECT_EQ(cu.cuGraphExecDestroy(inner), kSuccess);
    EXPECT_EQ(cu.cuGraphLaunch(outer, stream), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
    EXPECT_EQ(FirstByte(cu, memory), 5);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
