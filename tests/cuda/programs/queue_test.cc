// The queue of a context, which takes so many launches and then blocks who launches more; and what
// a launch on memory that is gone does.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

constexpr char kCode[] =
    ".version 6.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry nothing()\n{\n  ret;\n}\n"
    ".visible .entry put(.param .u64 at)\n{\n"
    "  .reg .u64 %rd<3>;\n  .reg .u32 %r<2>;\n"
    "  ld.param.u64 %rd1, [at];\n  cvta.to.global.u64 %rd2, %rd1;\n"
    "  mov.u32 %r1, 7;\n  st.global.u32 [%rd2], %r1;\n  ret;\n}\n";

Function Load(const Cuda& cu, const char* name) {
  Module module = nullptr;
  Function function = nullptr;
  EXPECT_EQ(cu.cuModuleLoadData(&module, kCode), kSuccess);
  EXPECT_EQ(cu.cuModuleGetFunction(&function, module, name), kSuccess);
  return function;
}

Result Launch(const Cuda& cu, Function function, Stream stream, void** parameters = nullptr) {
  return cu.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr);
}

struct Launcher {
  const Cuda* cu;
  Context context;
  Function function;
  Stream stream;
  std::atomic<bool> about_to = false;
  std::atomic<bool> opened = false;
  bool was_open = false;  // when the launch came back
};
void* LaunchOneMore(void* data) {
  auto* launcher = static_cast<Launcher*>(data);
  EXPECT_EQ(launcher->cu->cuCtxSetCurrent(launcher->context), kSuccess);
  launcher->about_to = true;
  EXPECT_EQ(Launch(*launcher->cu, launcher->function, launcher->stream), kSuccess);
  launcher->was_open = launcher->opened;
  return nullptr;
}

TEST(CudaQueue, TakesSoManyLaunchesAndThenBlocks) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    const Context context = Begin(cu);
    void* made = nullptr;
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&made, 4096, 0), kSuccess);
    auto* word = static_cast<std::uint32_t*>(made);
    EXPECT_EQ(cu.cuStreamCreate(&stream, kStreamNonBlocking), kSuccess);
    Launcher launcher{&cu, context, Load(cu, "nothing"), stream};
    EXPECT_EQ(cu.cuStreamWaitValue32(stream, reinterpret_cast<std::uintptr_t>(word), 1, 0),
              kSuccess);
    for (unsigned i = 0; i < link::kQueueLength; ++i) {
      EXPECT_EQ(Launch(cu, launcher.function, stream), kSuccess);
    }
    pthread_t thread{};
    EXPECT_EQ(pthread_create(&thread, nullptr, &LaunchOneMore, &launcher), 0);
    // If it did not block, it would most likely be back by the end of this; if it does, it never
    // is.
    while (!launcher.about_to) usleep(1000);
    usleep(20'000);
    launcher.opened = true;
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    pthread_join(thread, nullptr);
    EXPECT_TRUE(launcher.was_open);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kSuccess);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaLaunches, OnMemoryThatIsGoneBreakTheContext) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    const Function put = Load(cu, "put");
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 1 << 20), kSuccess);
    void* parameters[] = {&memory};
    EXPECT_EQ(Launch(cu, put, nullptr, parameters), kSuccess);
    unsigned seen = 0;
    EXPECT_EQ(cu.cuMemcpyDtoH_v2(&seen, memory, 4), kSuccess);
    EXPECT_EQ(seen, 7U);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    Launch(cu, put, nullptr, parameters);
    EXPECT_EQ(cu.cuCtxSynchronize(), kIllegalAddress);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kIllegalAddress);
  });
  EXPECT_TRUE(program.Ended());
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
