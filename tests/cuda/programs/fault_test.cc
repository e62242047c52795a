// What goes wrong on command, and what is left of a process when its GPU or its driver is gone.
#include <gtest/gtest.h>
#include <pthread.h>

#include <fstream>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

TEST(CudaFaults, ACallFailsAsOftenAsWasAskedFor) {
  CudaNode node("a100x2");
  ASSERT_TRUE(node.state().Break({.call = "cuMemAlloc", .code = 2, .count = 1}).ok());
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kOutOfMemory);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kSuccess);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaFaults, ACallFailsForOneGpuOnly) {
  CudaNode node("a100x2");
  ASSERT_TRUE(node.state().Break({.call = "cuDevicePrimaryCtxRetain", .code = 46, .slot = 1}).ok());
  ASSERT_TRUE(node.state().Break({.call = "cuMemAlloc", .code = 2, .slot = 1}).ok());
  Program program(node, [](const Cuda& cu) {
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    Context context = nullptr;
    EXPECT_EQ(cu.cuDevicePrimaryCtxRetain(&context, 1), kDeviceUnavailable);
    EXPECT_EQ(cu.cuDevicePrimaryCtxRetain(&context, 0), kSuccess);
    EXPECT_EQ(cu.cuCtxSetCurrent(context), kSuccess);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kSuccess);
    Begin(cu, 1);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kOutOfMemory);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaFaults, AnErrorOfTheDeviceStaysWithItsContext) {
  CudaNode node("a100x2");
  ASSERT_TRUE(node.state().Break({.call = "cuMemsetD8Async", .code = 700, .count = 1}).ok());
  Program program(node, [](const Cuda& cu) {
    const Context broken = Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 0, 1, nullptr), kIllegalAddress);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 0, 1, nullptr), kIllegalAddress);
    EXPECT_EQ(cu.cuCtxSynchronize(), kIllegalAddress);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kIllegalAddress);
    Begin(cu);  // another context has nothing to do with it
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kSuccess);
    EXPECT_EQ(cu.cuCtxDestroy_v2(broken), kSuccess);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaFaults, AnXidOfAProcessIsItsOwn) {
  CudaNode node("a100x2");
  SharedWord stage;
  const auto body = [&](bool guilty) {
    return [&stage, guilty](const Cuda& cu) {
      Begin(cu);
      DevicePtr memory = 0;
      EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kSuccess);
      stage.Set(stage.Get() + 1);
      stage.WaitFor(10);
      if (!guilty) {
        EXPECT_EQ(cu.cuMemsetD8_v2(memory, 1, 1), kSuccess);
        return;
      }
      Result result = kSuccess;
      while (result == kSuccess) result = cu.cuCtxSynchronize();
      EXPECT_TRUE(result == kIllegalAddress || result == kLaunchFailed) << result;
      EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), result);
    };
  };
  Program guilty(node, body(true));
  stage.WaitFor(1);
  Program other(node, body(false));
  stage.WaitFor(2);
  const auto pid = static_cast<std::uint32_t>(guilty.pid());
  // The driver shows the process a moment later.
  while (!node.state().RaiseXid(DeviceRef{.slot = 0}, 31, pid).ok()) usleep(1000);
  stage.Set(10);
  EXPECT_TRUE(guilty.Ended());
  EXPECT_TRUE(other.Ended());
}

// How many lines of the driver's log tell of this error in a context; the driver is ended for it.
int ErrorsInLog(CudaNode& node, Result result) {
  node.EndDriver(SIGTERM);
  std::ifstream log(node.root() + "/" + driver::kLogFile);
  int count = 0;
  for (std::string line; std::getline(log, line);) {
    const bool error = line.starts_with(R"({"event":"error",)");
    if (error && line.ends_with("\"result\":" + std::to_string(result) + "}")) ++count;
  }
  return count;
}

TEST(CudaFaults, AnErrorThatStaysIsInTheDriversLog) {
  CudaNode node("a100x2");
  ASSERT_TRUE(node.state().Break({.call = "cuMemsetD8Async", .code = 700}).ok());
  ASSERT_TRUE(node.state().Break({.call = "cuMemAlloc", .code = 2}).ok());
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kOutOfMemory);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 0, 1, nullptr), kIllegalAddress);
    EXPECT_EQ(cu.cuMemsetD8Async(memory, 0, 1, nullptr), kIllegalAddress);
    EXPECT_EQ(cu.cuCtxSynchronize(), kIllegalAddress);
  });
  EXPECT_TRUE(program.Ended());
  EXPECT_EQ(ErrorsInLog(node, kIllegalAddress), 1);
  EXPECT_EQ(ErrorsInLog(node, kOutOfMemory), 0) << "that one ends with its call";
}

TEST(CudaFaults, ALostGpuIsLostForAll) {
  CudaNode node("a100x2");
  SharedWord stage;
  Program program(node, [&](const Cuda& cu) {
    Begin(cu, 1);
    Begin(cu, 0);
    stage.Set(1);
    stage.WaitFor(2);
    Result result = kSuccess;
    while (result == kSuccess) result = cu.cuCtxSynchronize();
    EXPECT_EQ(result, kDeviceUnavailable);
    EXPECT_EQ(cu.cuCtxSetCurrent(nullptr), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);  // the other GPU is there
  });
  stage.WaitFor(1);
  ASSERT_TRUE(node.state().Lose(0).ok());
  stage.Set(2);
  EXPECT_TRUE(program.Ended());
}

TEST(CudaFaults, WhoWaitsForADriverThatDiesIsToldSo) {
  CudaNode node("a100x2");
  SharedWord stage;
  Program program(node, [&](const Cuda& cu) {
    Begin(cu);
    void* made = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&made, 4096, 0), kSuccess);
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuStreamCreate(&stream, kStreamNonBlocking), kSuccess);
    EXPECT_EQ(
        cu.cuStreamWaitValue32(stream, reinterpret_cast<std::uintptr_t>(made), 1, kWaitValueEq),
        kSuccess);
    stage.Set(1);
    EXPECT_EQ(cu.cuStreamSynchronize(stream), kDeviceUnavailable);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kDeviceUnavailable);
    Context context = nullptr;
    EXPECT_EQ(cu.cuCtxCreate_v2(&context, 0, 0), kDeviceUnavailable);
  });
  stage.WaitFor(1);
  node.EndDriver(SIGKILL);
  EXPECT_TRUE(program.Ended());
  // A new process finds a new driver.
  node.StartDriver();
  Program next(node, [](const Cuda& cu) { Begin(cu); });
  EXPECT_TRUE(next.Ended());
}

TEST(CudaFaults, AHangingCallReturnsWhenItIsHealed) {
  CudaNode node("a100x2");
  ASSERT_TRUE(node.state().Break({.call = "cuCtxSynchronize", .hang = true}).ok());
  SharedWord stage;
  Program program(node, [&](const Cuda& cu) {
    Begin(cu);
    stage.Set(1);
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
    EXPECT_EQ(stage.Get(), 2);
  });
  stage.WaitFor(1);
  stage.Set(2);
  ASSERT_TRUE(node.state().Heal("cuCtxSynchronize").ok());
  EXPECT_TRUE(program.Ended());
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
