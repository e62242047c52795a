// Streams, events, host functions and words of memory: what waits for what, and what is seen when.
#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <vector>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

DevicePtr AddressOf(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

// A stream that does nothing until Open: it waits for a word of pinned memory.
struct Gate {
  const Cuda& cu;
  std::uint32_t* word = nullptr;

  explicit Gate(const Cuda& library) : cu(library) {
    void* made = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&made, 4096, 0), kSuccess);
    word = static_cast<std::uint32_t*>(made);
  }
  void Close(Stream stream) const {
    EXPECT_EQ(cu.cuStreamWaitValue32(stream, AddressOf(word), 1, kWaitValueEq), kSuccess);
  }
  void Open() const { __atomic_store_n(word, 1, __ATOMIC_RELEASE); }
};

Stream MakeStream(const Cuda& cu, unsigned flags) {
  Stream stream = nullptr;
  EXPECT_EQ(cu.cuStreamCreate(&stream, flags), kSuccess);
  return stream;
}
DevicePtr MakeMemory(const Cuda& cu, std::size_t bytes) {
  DevicePtr memory = 0;
  EXPECT_EQ(cu.cuMemAlloc_v2(&memory, bytes), kSuccess);
  EXPECT_EQ(cu.cuMemsetD8_v2(memory, 0, bytes), kSuccess);
  EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
  return memory;
}

void RunProgram(const std::function<void(const Cuda&)>& body) {
  const CudaNode node("a100x2");
  Program program(node, body);
  EXPECT_TRUE(program.Ended());
}

TEST(CudaStreams, AreBusyUntilTheirWorkIsDone) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Gate gate(cu);
    const Stream stream = MakeStream(cu, kStreamNonBlocking);
    EXPECT_EQ(cu.cuStreamQuery(stream), kSuccess);
    Event event = nullptr;
    EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    EXPECT_EQ(cu.cuEventQuery(event), kSuccess);  // never recorded
    gate.Close(stream);
    EXPECT_EQ(cu.cuEventRecord(event, stream), kSuccess);
    EXPECT_EQ(cu.cuStreamQuery(stream), kNotReady);
    EXPECT_EQ(cu.cuEventQuery(event), kNotReady);
    gate.Open();
    EXPECT_EQ(cu.cuEventSynchronize(event), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
    EXPECT_EQ(cu.cuStreamQuery(stream), kSuccess);
  });
}

TEST(CudaStreams, TellTheTimeBetweenEvents) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Stream stream = MakeStream(cu, 0);
    std::array<Event, 3> events{};
    for (Event& event : events) EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    const DevicePtr memory = MakeMemory(cu, 1 << 30);
    float milliseconds = 0;
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, events[0], events[1]), kInvalidHandle);
    EXPECT_EQ(cu.cuEventRecord(events[0], stream), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 0, 1 << 30, stream), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(events[1], stream), kSuccess);
    EXPECT_EQ(cu.cuEventSynchronize(events[1]), kSuccess);
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, events[0], events[1]), kSuccess);
    // 1 GiB at what an A100's memory takes, in the driver's time: the machine's own does not count.
    EXPECT_GT(milliseconds, 0.4);
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, events[0], events[2]), kInvalidHandle);
    Event untimed = nullptr;
    EXPECT_EQ(cu.cuEventCreate(&untimed, kEventDisableTiming), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(untimed, stream), kSuccess);
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, events[0], untimed), kInvalidHandle);
  });
}

TEST(CudaStreams, DoNothingBehindAWaitBeforeItEnds) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Gate gate(cu);
    const Stream first = MakeStream(cu, kStreamNonBlocking);
    const Stream second = MakeStream(cu, kStreamNonBlocking);
    const Stream free = MakeStream(cu, kStreamNonBlocking);
    const DevicePtr memory = MakeMemory(cu, 4096);
    Event event = nullptr;
    EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    gate.Close(first);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 1, 1, first), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(event, first), kSuccess);
    EXPECT_EQ(cu.cuStreamWaitEvent(second, event, 0), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory + 1, 2, 1, second), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory + 2, 3, 1, free), kSuccess);
    void* made = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&made, 16, 0), kSuccess);
    const auto* seen = static_cast<const unsigned char*>(made);
    EXPECT_EQ(cu.cuMemcpyDtoHAsync_v2(made, memory, 3, free), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(free), kSuccess);
    EXPECT_EQ(seen[0], 0);
    EXPECT_EQ(seen[1], 0);
    EXPECT_EQ(seen[2], 3);
    gate.Open();
    EXPECT_EQ(cu.cuStreamSynchronize(second), kSuccess);
    EXPECT_EQ(cu.cuMemcpyDtoHAsync_v2(made, memory, 3, free), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(free), kSuccess);
    EXPECT_EQ(seen[0], 1);
    EXPECT_EQ(seen[1], 2);
  });
}

TEST(CudaStreams, TheDefaultOneAndBlockingOnesWaitForEachOther) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Gate gate(cu);
    const Stream blocking = MakeStream(cu, kStreamDefault);
    const Stream other = MakeStream(cu, kStreamDefault);
    const Stream aside = MakeStream(cu, kStreamNonBlocking);
    const DevicePtr memory = MakeMemory(cu, 4096);
    void* made = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&made, 16, 0), kSuccess);
    const auto* seen = static_cast<const unsigned char*>(made);
    gate.Close(blocking);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 1, 1, blocking), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory + 1, 2, 1, nullptr), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory + 2, 3, 1, other), kSuccess);
    EXPECT_EQ(cu.cuStreamQuery(nullptr), kNotReady);
    EXPECT_EQ(cu.cuStreamQuery(other), kNotReady);
    EXPECT_EQ(cu.cuMemcpyDtoHAsync_v2(made, memory, 3, aside), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(aside), kSuccess);
    EXPECT_EQ(seen[0] + seen[1] + seen[2], 0);
    gate.Open();
    EXPECT_EQ(cu.cuStreamSynchronize(nullptr), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(other), kSuccess);
    EXPECT_EQ(cu.cuMemcpyDtoHAsync_v2(made, memory, 3, aside), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(aside), kSuccess);
    EXPECT_EQ(seen[0], 1);
    EXPECT_EQ(seen[1], 2);
    EXPECT_EQ(seen[2], 3);
  });
}

TEST(CudaStreams, KeepWhatACopyReadsFromUnpinnedMemory) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Gate gate(cu);
    const Stream stream = MakeStream(cu, kStreamNonBlocking);
    const DevicePtr memory = MakeMemory(cu, 4096);
    char text[8] = "before";
    gate.Close(stream);
    EXPECT_EQ(cu.cuMemcpyHtoDAsync_v2(memory, text, sizeof text, stream), kSuccess);
    std::snprintf(text, sizeof text, "after");
    gate.Open();
    EXPECT_EQ(cu.cuMemcpyDtoHAsync_v2(text, memory, sizeof text, stream), kSuccess);
    EXPECT_STREQ(text, "before");
  });
}

struct Note {
  const Cuda* cu = nullptr;
  std::vector<int>* order = nullptr;
  int number = 0;
  Result inside = kUnknown;
};
void Take(void* data) {
  auto* note = static_cast<Note*>(data);
  note->order->push_back(note->number);
  note->inside = note->cu->cuCtxSynchronize();
}
void TakeCalled(Stream /*stream*/, Result status, void* data) {
  EXPECT_EQ(status, kSuccess);
  Take(data);
}

TEST(CudaHostFunctions, RunInTheStreamsOrderAndMayNotCallCuda) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Stream stream = MakeStream(cu, kStreamNonBlocking);
    const DevicePtr memory = MakeMemory(cu, 4096);
    std::vector<int> order;
    Note first{&cu, &order, 1};
    Note second{&cu, &order, 2};
    EXPECT_EQ(cu.cuLaunchHostFunc(stream, nullptr, nullptr), kInvalidValue);
    EXPECT_EQ(cu.cuLaunchHostFunc(stream, &Take, &first), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 7, 1, stream), kSuccess);
    EXPECT_EQ(cu.cuStreamAddCallback(stream, &TakeCalled, &second, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
    EXPECT_EQ(first.inside, kNotPermitted);
    EXPECT_EQ(second.inside, kNotPermitted);
    unsigned char seen = 0;
    EXPECT_EQ(cu.cuMemcpyDtoH_v2(&seen, memory, 1), kSuccess);
    EXPECT_EQ(seen, 7);
  });
}

TEST(CudaWords, AreWrittenWhenTheStreamComesThere) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Gate gate(cu);
    const Stream stream = MakeStream(cu, kStreamNonBlocking);
    std::uint32_t* word = gate.word + 16;
    gate.Close(stream);
    EXPECT_EQ(cu.cuStreamWriteValue32(stream, AddressOf(word), 5, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamQuery(stream), kNotReady);
    EXPECT_EQ(*word, 0U);
    gate.Open();
    // Nobody synchronises: whoever only looks sees it, too.
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != 5) usleep(1000);
    EXPECT_EQ(cu.cuStreamWriteValue64(stream, AddressOf(word), 1ULL << 40U, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
    EXPECT_EQ(*reinterpret_cast<std::uint64_t*>(word), 1ULL << 40U);
    EXPECT_EQ(cu.cuStreamWriteValue32(stream, 64, 5, 0), kInvalidValue);
  });
}

struct AwaitedWord {
  std::uint32_t* word;
  std::uint32_t* reached;
};
void AwaitWord(void* data) {
  const auto* awaited = static_cast<const AwaitedWord*>(data);
  __atomic_store_n(awaited->reached, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(awaited->word, __ATOMIC_ACQUIRE) != 5) usleep(1000);
}

TEST(CudaWords, AHostFunctionMayWaitForOneThatAnotherStreamWrites) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const Gate gate(cu);
    AwaitedWord awaited{gate.word + 16, gate.word + 32};
    const Stream waits = MakeStream(cu, kStreamNonBlocking);
    const Stream writes = MakeStream(cu, kStreamNonBlocking);
    EXPECT_EQ(cu.cuLaunchHostFunc(waits, &AwaitWord, &awaited), kSuccess);
    while (__atomic_load_n(awaited.reached, __ATOMIC_ACQUIRE) != 1) usleep(1000);
    gate.Close(writes);
    EXPECT_EQ(cu.cuStreamWriteValue32(writes, AddressOf(awaited.word), 5, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamQuery(waits), kNotReady);
    gate.Open();
    EXPECT_EQ(cu.cuStreamSynchronize(waits), kSuccess);
  });
}

TEST(CudaWords, LetOneStreamWaitForAnother) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const DevicePtr word = MakeMemory(cu, 4096);
    const Stream waits = MakeStream(cu, kStreamNonBlocking);
    const Stream writes = MakeStream(cu, kStreamNonBlocking);
    EXPECT_EQ(cu.cuStreamWaitValue32(waits, word, 3, kWaitValueGeq), kSuccess);
    MemOpParams operations[2] = {};
    operations[0].value = {kMemOpWriteValue32, word, 2, 0, 0};
    operations[1].value = {kMemOpWriteValue32, word + 4, 9, 0, 0};
    EXPECT_EQ(cu.cuStreamBatchMemOp(writes, 2, operations, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(writes), kSuccess);
    EXPECT_EQ(cu.cuStreamQuery(waits), kNotReady);
    EXPECT_EQ(cu.cuStreamWriteValue32(writes, word, 4, 0), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(waits), kSuccess);
  });
}

struct ThreadArgument {
  const Cuda* cu;
  Context context;
  unsigned long long own = 0;
};
void* AskForStream(void* data) {
  auto* argument = static_cast<ThreadArgument*>(data);
  EXPECT_EQ(argument->cu->cuCtxSetCurrent(argument->context), kSuccess);
  EXPECT_EQ(argument->cu->cuStreamGetId_ptsz(nullptr, &argument->own), kSuccess);
  return nullptr;
}

TEST(CudaStreams, EachThreadHasADefaultOneOfItsOwn) {
  RunProgram([](const Cuda& cu) {
    ThreadArgument argument{&cu, Begin(cu)};
    unsigned long long legacy = 0;
    unsigned long long mine = 0;
    unsigned long long named = 0;
    EXPECT_EQ(cu.cuStreamGetId(nullptr, &legacy), kSuccess);
    EXPECT_EQ(cu.cuStreamGetId_ptsz(nullptr, &mine), kSuccess);
    EXPECT_EQ(cu.cuStreamGetId(reinterpret_cast<Stream>(kStreamPerThread), &named), kSuccess);
    EXPECT_NE(mine, legacy);
    EXPECT_EQ(mine, named);
    pthread_t thread{};
    EXPECT_EQ(pthread_create(&thread, nullptr, &AskForStream, &argument), 0);
    pthread_join(thread, nullptr);
    EXPECT_NE(argument.own, mine);
    EXPECT_NE(argument.own, legacy);
  });
}

struct Worker {
  const Cuda* cu;
  Context context;
  unsigned char number;
  bool right = false;
};
// Fills, copies and reads its own memory over and over, in a stream and an event of its own.
void* Work(void* data) {
  auto* worker = static_cast<Worker*>(data);
  const Cuda& cu = *worker->cu;
  EXPECT_EQ(cu.cuCtxSetCurrent(worker->context), kSuccess);
  worker->right = true;
  for (int round = 0; round < 50; ++round) {
    const Stream stream = MakeStream(cu, kStreamNonBlocking);
    Event event = nullptr;
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 4096), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, worker->number, 4096, stream), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(event, stream), kSuccess);
    EXPECT_EQ(cu.cuStreamWaitEvent(nullptr, event, 0), kSuccess);
    unsigned char seen[4096] = {};
    EXPECT_EQ(cu.cuMemcpyDtoHAsync_v2(seen, memory, sizeof seen, nullptr), kSuccess);
    EXPECT_EQ(cu.cuStreamSynchronize(nullptr), kSuccess);
    for (const unsigned char byte : seen) worker->right &= byte == worker->number;
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    EXPECT_EQ(cu.cuEventDestroy_v2(event), kSuccess);
    EXPECT_EQ(cu.cuStreamDestroy_v2(stream), kSuccess);
  }
  return nullptr;
}

TEST(CudaStreams, ServeManyThreadsAtOnce) {
  RunProgram([](const Cuda& cu) {
    const Context context = Begin(cu);
    std::vector<Worker> workers;
    for (unsigned char i = 1; i <= 8; ++i) workers.push_back({&cu, context, i});
    std::vector<pthread_t> threads(workers.size());
    for (std::size_t i = 0; i < threads.size(); ++i) {
      EXPECT_EQ(pthread_create(&threads[i], nullptr, &Work, &workers[i]), 0);
    }
    for (const pthread_t thread : threads) pthread_join(thread, nullptr);
    for (const Worker& worker : workers) EXPECT_TRUE(worker.right);
  });
}

TEST(CudaStreams, HavePrioritiesWithinTheRange) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    int least = 1;
    int greatest = 1;
    EXPECT_EQ(cu.cuCtxGetStreamPriorityRange(&least, &greatest), kSuccess);
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuStreamCreateWithPriority(&stream, 1, -100), kSuccess);
    int priority = 0;
    EXPECT_EQ(cu.cuStreamGetPriority(stream, &priority), kSuccess);
    EXPECT_EQ(priority, greatest);
    unsigned flags = 0;
    EXPECT_EQ(cu.cuStreamGetFlags(stream, &flags), kSuccess);
    EXPECT_EQ(flags, unsigned{kStreamNonBlocking});
    EXPECT_EQ(cu.cuStreamCreate(&stream, 8), kInvalidValue);
    EXPECT_EQ(cu.cuStreamCreate(nullptr, 0), kInvalidValue);
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
