// Memory of the device and of the host, alone and shared with other processes.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

constexpr std::size_t kGiB = 1ULL << 30U;

std::size_t FreeBytes(const Cuda& cu) {
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_EQ(cu.cuMemGetInfo_v2(&free, &total), kSuccess);
  return free;
}

void RunProgram(const std::function<void(const Cuda&)>& body) {
  const CudaNode node("a100x2");
  Program program(node, body);
  EXPECT_TRUE(program.Ended());
}

TEST(CudaMemory, HoldsWhatWasCopiedThere) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    DevicePtr other = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 100), kSuccess);
    EXPECT_EQ(cu.cuMemAlloc_v2(&other, 3 << 20), kSuccess);
    char text[100] = "what was copied";
    EXPECT_EQ(cu.cuMemcpyHtoD_v2(memory, text, sizeof text), kSuccess);
    EXPECT_EQ(cu.cuMemcpyDtoD_v2(other + 1000, memory, sizeof text), kSuccess);
    char back[100] = "";
    EXPECT_EQ(cu.cuMemcpy(reinterpret_cast<std::uintptr_t>(back), other + 1000, sizeof back),
              kSuccess);
    EXPECT_STREQ(back, text);
    EXPECT_EQ(cu.cuMemcpyHtoD_v2(memory, text, 101), kInvalidValue);
    EXPECT_EQ(cu.cuMemcpyDtoH_v2(back, 4096, 1), kInvalidValue);
    EXPECT_EQ(cu.cuMemFree_v2(memory + 1), kInvalidValue);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kInvalidValue);
    EXPECT_EQ(cu.cuMemcpyDtoH_v2(back, memory, 1), kInvalidValue);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 0), kInvalidValue);
  });
}

TEST(CudaMemory, IsFilledInAllWidths) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 4096), kSuccess);
    std::vector<unsigned char> seen(64);
    EXPECT_EQ(cu.cuMemsetD8_v2(memory, 0xAA, 64), kSuccess);
    EXPECT_EQ(cu.cuMemsetD16_v2(memory + 2, 0x0102, 2), kSuccess);
    EXPECT_EQ(cu.cuMemsetD32_v2(memory + 8, 0x01020304, 1), kSuccess);
    EXPECT_EQ(cu.cuMemsetD2D8_v2(memory + 16, 8, 0, 2, 3), kSuccess);
    EXPECT_EQ(cu.cuMemsetD32_v2(memory + 1, 0, 1), kInvalidValue);
    EXPECT_EQ(cu.cuMemcpyDtoH_v2(seen.data(), memory, 64), kSuccess);
    const std::vector<unsigned char> expected = {
        0xAA, 0xAA, 2,    1,    2,    1,    0xAA, 0xAA, 4,    3,    2,    1,
        0xAA, 0xAA, 0xAA, 0xAA, 0,    0,    0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        0,    0,    0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0,    0,    0xAA, 0xAA};
    seen.resize(expected.size());
    EXPECT_EQ(seen, expected);
  });
}

TEST(CudaMemory, IsCopiedInRowsAndSlices) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    std::size_t pitch = 0;
    EXPECT_EQ(cu.cuMemAllocPitch_v2(&memory, &pitch, 10, 4, 4), kSuccess);
    EXPECT_EQ(pitch % 512, 0U);
    const char from[] = "abcdefghij";
    Memcpy2d there{};
    there.src_type = kMemoryTypeHost;
    there.src_host = from;
    there.src_pitch = 5;
    there.dst_type = kMemoryTypeDevice;
    there.dst_device = memory;
    there.dst_pitch = pitch;
    there.dst_y = 1;
    there.width_bytes = 5;
    there.height = 2;
    EXPECT_EQ(cu.cuMemcpy2D_v2(&there), kSuccess);
    char back[8] = "";
    Memcpy3d here{};
    here.src_type = kMemoryTypeUnified;
    here.src_device = memory;
    here.src_pitch = pitch;
    here.src_height = 1;
    here.src_z = 1;
    here.src_x_bytes = 1;
    here.dst_type = kMemoryTypeHost;
    here.dst_host = back;
    here.width_bytes = 3;
    here.height = 1;
    here.depth = 2;
    EXPECT_EQ(cu.cuMemcpy3D_v2(&here), kSuccess);
    EXPECT_STREQ(back, "bcdghi");
    there.dst_y = 1'000'000;
    EXPECT_EQ(cu.cuMemcpy2D_v2(&there), kInvalidValue);
  });
}

TEST(CudaMemory, OfTheDeviceIsNothingForTheHostToTouch) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 4096), kSuccess);
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGSEGV, SIG_DFL);
      _exit(*reinterpret_cast<volatile char*>(memory));
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  });
}

TEST(CudaMemory, IsTakenInWholeChunks) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    const std::size_t before = FreeBytes(cu);
    DevicePtr first = 0;
    DevicePtr second = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&first, 1), kSuccess);
    EXPECT_EQ(before - FreeBytes(cu), 2ULL << 20U);
    EXPECT_EQ(cu.cuMemAlloc_v2(&second, 1000), kSuccess);
    EXPECT_EQ(before - FreeBytes(cu), 2ULL << 20U);
    EXPECT_EQ(first % 512, 0U);
    EXPECT_EQ(cu.cuMemFree_v2(first), kSuccess);
    EXPECT_EQ(cu.cuMemFree_v2(second), kSuccess);
    EXPECT_EQ(FreeBytes(cu), before);
  });
}

TEST(CudaMemory, OfTheHostIsPinnedOrRegistered) {
  RunProgram([](const Cuda& cu) {
    Begin(cu);
    void* pinned = nullptr;
    EXPECT_EQ(cu.cuMemHostAlloc(&pinned, 4096, kHostAllocPortable), kSuccess);
    std::memset(pinned, 1, 4096);
    DevicePtr device = 0;
    EXPECT_EQ(cu.cuMemHostGetDevicePointer_v2(&device, pinned, 0), kSuccess);
    EXPECT_EQ(device, reinterpret_cast<std::uintptr_t>(pinned));
    int type = 0;
    EXPECT_EQ(cu.cuPointerGetAttribute(&type, kPointerMemoryType, device), kSuccess);
    EXPECT_EQ(type, kMemoryTypeHost);
    std::vector<char> own(10'000);
    EXPECT_EQ(cu.cuMemHostUnregister(own.data()), kHostMemoryNotRegistered);
    EXPECT_EQ(cu.cuMemHostRegister_v2(own.data(), own.size(), 0), kSuccess);
    EXPECT_EQ(cu.cuMemHostRegister_v2(own.data() + 100, 10, 0), kHostMemoryAlreadyRegistered);
    EXPECT_EQ(cu.cuMemHostUnregister(own.data()), kSuccess);
    EXPECT_EQ(cu.cuMemFreeHost(own.data()), kInvalidValue);
    EXPECT_EQ(cu.cuMemFreeHost(pinned), kSuccess);
  });
}

TEST(CudaMemory, APointerKnowsWhatItIs) {
  RunProgram([](const Cuda& cu) {
    const Context context = Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 1000), kSuccess);
    Context owner = nullptr;
    DevicePtr start = 0;
    std::size_t size = 0;
    EXPECT_EQ(cu.cuPointerGetAttribute(&owner, kPointerContext, memory + 10), kSuccess);
    EXPECT_EQ(owner, context);
    EXPECT_EQ(cu.cuMemGetAddressRange_v2(&start, &size, memory + 10), kSuccess);
    EXPECT_EQ(start, memory);
    EXPECT_EQ(size, 1000U);
    EXPECT_EQ(cu.cuPointerGetAttribute(&owner, kPointerContext, 4096), kInvalidValue);
    PointerAttribute attributes[] = {kPointerMemoryType, kPointerDeviceOrdinal};
    int values[] = {7, 7};
    void* data[] = {&values[0], &values[1]};
    EXPECT_EQ(cu.cuPointerGetAttributes(2, attributes, data, 4096), kSuccess);
    EXPECT_EQ(values[0], 0);
    EXPECT_EQ(values[1], kDeviceInvalid);
  });
}

TEST(CudaSharing, OneProcessesMemoryIsTheOthersLack) {
  const CudaNode node("a100x2");
  SharedWord stage;
  Program greedy(node, [&](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 76 * kGiB), kSuccess);
    stage.Set(1);
    stage.WaitFor(2);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    stage.Set(3);
    stage.WaitFor(4);
  });
  Program victim(node, [&](const Cuda& cu) {
    stage.WaitFor(1);
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 4 * kGiB), kOutOfMemory);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 1 * kGiB), kSuccess);
    EXPECT_EQ(cu.cuMemFree_v2(memory), kSuccess);
    // The other GPU is nobody's yet.
    Begin(cu, 1);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 70 * kGiB), kSuccess);
    EXPECT_EQ(cu.cuCtxSetCurrent(nullptr), kSuccess);
    stage.Set(2);
    stage.WaitFor(3);
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 4 * kGiB), kSuccess);
    stage.Set(4);
  });
  EXPECT_TRUE(victim.Ended());
  EXPECT_TRUE(greedy.Ended());
}

TEST(CudaSharing, WhatAKilledProcessHeldIsFreeAgain) {
  const CudaNode node("a100x2");
  SharedWord stage;
  Program killed(node, [&](const Cuda& cu) {
    Begin(cu);
    DevicePtr memory = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&memory, 76 * kGiB), kSuccess);
    stage.Set(1);
    for (;;) pause();
  });
  stage.WaitFor(1);
  killed.Kill();
  Program next(node, [](const Cuda& cu) {
    Begin(cu);
    // The driver hears of the death as of any other message.
    DevicePtr memory = 0;
    Result result = kOutOfMemory;
    while (result == kOutOfMemory) result = cu.cuMemAlloc_v2(&memory, 76 * kGiB);
    EXPECT_EQ(result, kSuccess);
  });
  EXPECT_TRUE(next.Ended());
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
