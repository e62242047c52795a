// Devices, contexts and handles, as programs of a node's processes find them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

int Count(const Cuda& cu) {
  int count = -1;
  EXPECT_EQ(cu.cuDeviceGetCount(&count), kSuccess);
  return count;
}

// What a process sees with CUDA_VISIBLE_DEVICES: the devices' buses, or cuInit's result.
std::string Visible(const CudaNode& node, const char* visible) {
  int pipes[2];
  EXPECT_EQ(pipe(pipes), 0);
  Program program(node, [&](const Cuda& cu) {
    setenv("CUDA_VISIBLE_DEVICES", visible, 1);
    std::string said;
    if (const Result result = cu.cuInit(0); result != kSuccess) {
      said = std::to_string(result);
    } else {
      for (int i = 0; i < Count(cu); ++i) {
        int bus = 0;
        EXPECT_EQ(cu.cuDeviceGetAttribute(&bus, kAttributePciBusId, i), kSuccess);
        said += std::to_string(bus) + " ";
      }
    }
    EXPECT_EQ(write(pipes[1], said.c_str(), said.size()), static_cast<ssize_t>(said.size()));
  });
  EXPECT_TRUE(program.Ended());
  char text[100] = "";
  close(pipes[1]);
  EXPECT_GE(read(pipes[0], text, sizeof text - 1), 0);
  close(pipes[0]);
  return text;
}

TEST(CudaDevices, AreThoseThatTheEnvironmentChooses) {
  const CudaNode node("a100x2", false);
  EXPECT_EQ(Visible(node, "0,1"), "7 15 ");
  EXPECT_EQ(Visible(node, "1,0"), "15 7 ");
  EXPECT_EQ(Visible(node, "1"), "15 ");
  EXPECT_EQ(Visible(node, "GPU-25dc1ed2"), "15 ");
  EXPECT_EQ(Visible(node, "GPU-9055752e-d3de-4092-b3ad-28ad2accfa6f,GPU-25dc"), "7 15 ");
  EXPECT_EQ(Visible(node, "1,7,0"), "15 ");  // what means nothing ends the list
  EXPECT_EQ(Visible(node, "0,0"), "100");
  EXPECT_EQ(Visible(node, ""), "100");
  EXPECT_EQ(Visible(node, "-1"), "100");
}

TEST(CudaDevices, AreOneGpuInstanceWhereMigHasCutTheGpus) {
  const CudaNode node("a100-mig-mixed");
  Program program(node, [](const Cuda& cu) {
    const Context context = Begin(cu);
    EXPECT_NE(context, nullptr);
    EXPECT_EQ(Count(cu), 1);
    char name[100] = "";
    EXPECT_EQ(cu.cuDeviceGetName(name, sizeof name, 0), kSuccess);
    EXPECT_STREQ(name, "NVIDIA A100-SXM4-80GB MIG 3g.40gb");
    int multiprocessors = 0;
    EXPECT_EQ(cu.cuDeviceGetAttribute(&multiprocessors, kAttributeMultiprocessorCount, 0),
              kSuccess);
    EXPECT_EQ(multiprocessors, 42);
    std::size_t free = 0;
    std::size_t total = 0;
    EXPECT_EQ(cu.cuMemGetInfo_v2(&free, &total), kSuccess);
    EXPECT_LT(total, 41ULL << 30U);
    EXPECT_LT(free, total);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaDevices, AnswerEveryAttributeAndNoOther) {
  const CudaNode node("a100x2", false);
  Program program(node, [](const Cuda& cu) {
    int value = 0;
    EXPECT_EQ(cu.cuDeviceGetAttribute(&value, kAttributeWarpSize, 0), kNotInitialized);
    EXPECT_EQ(cu.cuInit(1), kInvalidValue);
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    for (int attribute = 1; attribute < 135; ++attribute) {
      EXPECT_EQ(cu.cuDeviceGetAttribute(&value, static_cast<DeviceAttribute>(attribute), 0),
                kSuccess)
          << attribute;
    }
    EXPECT_EQ(cu.cuDeviceGetAttribute(&value, static_cast<DeviceAttribute>(0), 0), kInvalidValue);
    EXPECT_EQ(cu.cuDeviceGetAttribute(&value, static_cast<DeviceAttribute>(999), 0), kInvalidValue);
    EXPECT_EQ(cu.cuDeviceGetAttribute(&value, kAttributeWarpSize, 2), kInvalidDevice);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaContexts, NeedTheDriverProcess) {
  const CudaNode node("a100x2", false);
  Program program(node, [](const Cuda& cu) {
    Context context = nullptr;
    EXPECT_EQ(cu.cuCtxCreate_v2(&context, 0, 0), kNotInitialized);
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    EXPECT_EQ(cu.cuCtxCreate_v2(&context, 0, 0), kSystemNotReady);
    EXPECT_EQ(cu.cuDevicePrimaryCtxRetain(&context, 0), kSystemNotReady);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaContexts, AreAStackOfEachThread) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    Context got = nullptr;
    Device device = -1;
    EXPECT_EQ(cu.cuCtxGetDevice(&device), kInvalidContext);
    EXPECT_EQ(cu.cuCtxPopCurrent_v2(&got), kInvalidContext);
    const Context first = Begin(cu, 0);
    const Context second = Begin(cu, 1);
    EXPECT_EQ(cu.cuCtxGetDevice(&device), kSuccess);
    EXPECT_EQ(device, 1);
    EXPECT_EQ(cu.cuCtxPopCurrent_v2(&got), kSuccess);
    EXPECT_EQ(got, second);
    EXPECT_EQ(cu.cuCtxGetCurrent(&got), kSuccess);
    EXPECT_EQ(got, first);
    EXPECT_EQ(cu.cuCtxPushCurrent_v2(second), kSuccess);
    EXPECT_EQ(cu.cuCtxSetCurrent(nullptr), kSuccess);
    EXPECT_EQ(cu.cuCtxGetCurrent(&got), kSuccess);
    EXPECT_EQ(got, first);
    int nothing = 0;
    EXPECT_EQ(cu.cuCtxPushCurrent_v2(reinterpret_cast<Context>(&nothing)), kInvalidContext);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaContexts, ThatAreGoneAreToldFromThoseThatNeverWere) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    const Context first = Begin(cu);
    const Context second = Begin(cu);
    EXPECT_EQ(cu.cuCtxDestroy_v2(first), kSuccess);
    EXPECT_EQ(cu.cuCtxDestroy_v2(first), kInvalidContext);
    EXPECT_EQ(cu.cuCtxDestroy_v2(nullptr), kInvalidValue);
    EXPECT_EQ(cu.cuCtxDestroy_v2(second), kSuccess);
    // Below it on the stack is the one that was destroyed while it was not the current one.
    Stream stream = nullptr;
    EXPECT_EQ(cu.cuStreamCreate(&stream, 0), kContextIsDestroyed);
    EXPECT_EQ(cu.cuCtxSetCurrent(nullptr), kSuccess);
    EXPECT_EQ(cu.cuStreamCreate(&stream, 0), kInvalidContext);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaContexts, ThePrimaryOneEndsWithItsLastUser) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    Context context = nullptr;
    Context again = nullptr;
    unsigned flags = 0;
    int active = 1;
    EXPECT_EQ(cu.cuDevicePrimaryCtxRelease_v2(0), kInvalidContext);
    EXPECT_EQ(cu.cuDevicePrimaryCtxGetState(0, &flags, &active), kSuccess);
    EXPECT_EQ(active, 0);
    EXPECT_EQ(cu.cuDevicePrimaryCtxRetain(&context, 0), kSuccess);
    EXPECT_EQ(cu.cuDevicePrimaryCtxRetain(&again, 0), kSuccess);
    EXPECT_EQ(context, again);
    EXPECT_EQ(cu.cuCtxDestroy_v2(context), kInvalidContext);
    EXPECT_EQ(cu.cuCtxSetCurrent(context), kSuccess);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 1 << 20), kSuccess);
    EXPECT_EQ(cu.cuDevicePrimaryCtxRelease_v2(0), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 1, 10), kSuccess);
    EXPECT_EQ(cu.cuDevicePrimaryCtxRelease_v2(0), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 1, 10), kContextIsDestroyed);
    // The same handle works again, without what belonged to it.
    EXPECT_EQ(cu.cuDevicePrimaryCtxRetain(&again, 0), kSuccess);
    EXPECT_EQ(context, again);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 1, 10), kInvalidValue);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 1 << 20), kSuccess);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaContexts, OfAllGenerationsAreContexts) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    Context first = nullptr;
    Context second = nullptr;
    Context third = nullptr;
    EXPECT_EQ(cu.cuCtxCreate(&first, kContextSchedSpin, 0), kSuccess);
    EXPECT_EQ(cu.cuCtxCreate_v2(&second, 3, 0), kInvalidValue);
    EXPECT_EQ(cu.cuCtxCreate_v2(nullptr, 0, 0), kInvalidValue);
    EXPECT_EQ(cu.cuCtxCreate_v2(&second, 0, 2), kInvalidDevice);
    EXPECT_EQ(cu.cuCtxCreate_v2(&second, 0, 0), kSuccess);
    AffinityParam affinity{kAffinitySmCount, 10};
    EXPECT_EQ(cu.cuCtxCreate_v3(&third, &affinity, 1, 0, 0), kUnsupportedExecAffinity);
    EXPECT_EQ(cu.cuCtxCreate_v3(&third, nullptr, 0, 0, 0), kSuccess);
    unsigned version = 0;
    EXPECT_EQ(cu.cuCtxGetApiVersion(first, &version), kSuccess);
    EXPECT_EQ(version, 3010U);
    EXPECT_EQ(cu.cuCtxGetApiVersion(second, &version), kSuccess);
    EXPECT_EQ(version, 3020U);
    unsigned long long ids[3] = {};
    EXPECT_EQ(cu.cuCtxGetId(first, &ids[0]), kSuccess);
    EXPECT_EQ(cu.cuCtxGetId(nullptr, &ids[1]), kSuccess);
    EXPECT_EQ(cu.cuCtxGetId(third, &ids[2]), kSuccess);
    EXPECT_NE(ids[0], ids[1]);
    EXPECT_EQ(ids[1], ids[2]);
    EXPECT_EQ(cu.cuCtxSetCurrent(first), kSuccess);
    unsigned flags = 0;
    EXPECT_EQ(cu.cuCtxGetFlags(&flags), kSuccess);
    EXPECT_EQ(flags, unsigned{kContextSchedSpin});
    std::size_t bytes = 0;
    EXPECT_EQ(cu.cuCtxSetLimit(kLimitStackSize, 4096), kSuccess);
    EXPECT_EQ(cu.cuCtxGetLimit(&bytes, kLimitStackSize), kSuccess);
    EXPECT_EQ(bytes, 4096U);
    EXPECT_EQ(cu.cuCtxGetLimit(&bytes, static_cast<Limit>(99)), kUnsupportedLimit);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaContexts, ReachThePeersThatTheyAreAllowedTo) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    const Context second = Begin(cu, 1);
    DevicePtr there = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&there, 100), kSuccess);
    EXPECT_EQ(cu.cuMemsetD8_v2(there, 9, 100), kSuccess);
    const Context first = Begin(cu, 0);
    DevicePtr here = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&here, 100), kSuccess);
    int can = 0;
    EXPECT_EQ(cu.cuDeviceCanAccessPeer(&can, 0, 1), kSuccess);
    EXPECT_EQ(can, 1);
    EXPECT_EQ(cu.cuDeviceCanAccessPeer(&can, 0, 0), kSuccess);
    EXPECT_EQ(can, 0);
    EXPECT_EQ(cu.cuCtxDisablePeerAccess(second), kPeerAccessNotEnabled);
    EXPECT_EQ(cu.cuCtxEnablePeerAccess(second, 0), kSuccess);
    EXPECT_EQ(cu.cuCtxEnablePeerAccess(second, 0), kPeerAccessAlreadyEnabled);
    EXPECT_EQ(cu.cuCtxEnablePeerAccess(first, 0), kInvalidContext);
    EXPECT_EQ(cu.cuMemcpyPeer(here, first, there, second, 100), kSuccess);
    EXPECT_EQ(cu.cuMemcpyPeer(here, first, there, nullptr, 100), kInvalidContext);
    unsigned char seen = 0;
    EXPECT_EQ(cu.cuMemcpyDtoH_v2(&seen, here + 99, 1), kSuccess);
    EXPECT_EQ(seen, 9);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaHandles, ThatAreWrongAreNeverFollowed) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    auto* const wrong = reinterpret_cast<char*>(0x10);
    EXPECT_EQ(cu.cuStreamSynchronize(reinterpret_cast<Stream>(wrong)), kInvalidHandle);
    EXPECT_EQ(cu.cuStreamDestroy_v2(reinterpret_cast<Stream>(wrong)), kInvalidHandle);
    EXPECT_EQ(cu.cuEventQuery(reinterpret_cast<Event>(wrong)), kInvalidHandle);
    EXPECT_EQ(cu.cuEventDestroy_v2(nullptr), kInvalidHandle);
    EXPECT_EQ(cu.cuCtxSetCurrent(reinterpret_cast<Context>(wrong)), kInvalidContext);
    Stream stream = nullptr;
    Event event = nullptr;
    EXPECT_EQ(cu.cuStreamCreate(&stream, kStreamNonBlocking), kSuccess);
    EXPECT_EQ(cu.cuEventCreate(&event, 0), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(reinterpret_cast<Event>(stream), stream), kInvalidHandle);
    EXPECT_EQ(cu.cuStreamDestroy_v2(stream), kSuccess);
    EXPECT_EQ(cu.cuStreamDestroy_v2(stream), kInvalidHandle);
    EXPECT_EQ(cu.cuEventRecord(event, stream), kInvalidHandle);
    EXPECT_EQ(cu.cuEventDestroy_v2(event), kSuccess);
    EXPECT_EQ(cu.cuEventSynchronize(event), kInvalidHandle);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaFork, TheChildCannotUseWhatTheParentInitialised) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 1 << 20), kSuccess);
    const pid_t child = fork();
    if (child == 0) {
      int count = 0;
      const bool refused = cu.cuDeviceGetCount(&count) == kNotInitialized &&
                           cu.cuInit(0) == kNotInitialized &&
                           cu.cuMemFree_v2(memory) == kNotInitialized &&
                           cu.cuDevicePrimaryCtxRelease_v2(0) == kNotInitialized &&
                           cu.cuDriverGetVersion(&count) == kSuccess;
      _exit(refused ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 1, 10), kSuccess);  // the parent goes on
    EXPECT_EQ(cu.cuCtxSynchronize(), kSuccess);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaFork, TheChildOfAProcessThatNeverInitialisedIsFree) {
  const CudaNode node("a100x2");
  Program program(node, [](const Cuda& cu) {
    const pid_t child = fork();
    if (child == 0) _exit(cu.cuInit(0) == kSuccess ? 0 : 1);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  });
  EXPECT_TRUE(program.Ended());
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
