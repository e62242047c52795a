// Code that a program loads, and what it launches of it: modules, libraries, the forms of a launch,
// their limits, and what kernels compute.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/cuda/programs/cuda_node.h"

namespace tranche::sim::cuda::testing {
namespace {

// `tell` writes one number to an address, `add` adds two vectors, `slow` says how long it takes,
// `odd` has an instruction that is not interpreted, `wide` has limits of its own.
constexpr char kCode[] = R"(
.version 6.0
.target sm_70
.address_size 64
.visible .global .align 4 .u32 seven = 7;
.visible .const .align 8 .u64 where = seven;
.visible .entry tell(.param .u64 at, .param .u32 number)
{
  .reg .b64 %d<3>; .reg .b32 %r<2>;
  ld.param.u64 %d1, [at];
  ld.param.u32 %r1, [number];
  cvta.to.global.u64 %d2, %d1;
  st.global.u32 [%d2], %r1;
  ret;
}
.visible .entry bump()
{
  .reg .b64 %d<2>; .reg .b32 %r<2>;
  ld.const.u64 %d1, [where];
  atom.global.add.u32 %r1, [%d1], 1;
  ret;
}
// tranche-cost: param 0 ns
.visible .entry slow(.param .u64 ns) { ret; }
.visible .entry odd() { .reg .b32 %r<3>; .reg .pred %p<2>;
  shfl.sync.bfly.b32 %r1|%p1, %r2, 1, 31, -1; ret; }
.visible .entry wide() .reqntid 64, 1, 1 { .shared .b8 part[1024]; ret; }
)";

Module Load(const Cuda& cu) {
  Module module = nullptr;
  EXPECT_EQ(cu.cuModuleLoadData(&module, kCode), kSuccess);
  return module;
}

Function Find(const Cuda& cu, Module module, const char* name) {
  Function function = nullptr;
  EXPECT_EQ(cu.cuModuleGetFunction(&function, module, name), kSuccess);
  return function;
}

DevicePtr Allocate(const Cuda& cu, std::size_t bytes) {
  DevicePtr address = 0;
  EXPECT_EQ(cu.cuMemAlloc_v2(&address, bytes), kSuccess);
  return address;
}

std::uint32_t NumberAt(const Cuda& cu, DevicePtr address) {
  std::uint32_t number = 0;
  EXPECT_EQ(cu.cuMemcpyDtoH_v2(&number, address, sizeof number), kSuccess);
  return number;
}

Result Launch(const Cuda& cu, Function function, unsigned grid, unsigned block,
              void** parameters = nullptr, unsigned shared = 0) {
  return cu.cuLaunchKernel(function, grid, 1, 1, block, 1, 1, shared, nullptr, parameters, nullptr);
}

void RunOnNode(const std::function<void(const Cuda&)>& body) {
  const CudaNode node("a100x2");
  Program program(node, body);
  EXPECT_TRUE(program.Ended());
}

TEST(CudaCode, AModuleHasFunctionsAndVariables) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    const Module module = Load(cu);
    unsigned count = 0;
    EXPECT_EQ(cu.cuModuleGetFunctionCount(&count, module), kSuccess);
    EXPECT_EQ(count, 5U);
    Function missing = nullptr;
    EXPECT_EQ(cu.cuModuleGetFunction(&missing, module, "none"), kNotFound);
    DevicePtr seven = 0;
    std::size_t bytes = 0;
    EXPECT_EQ(cu.cuModuleGetGlobal_v2(&seven, &bytes, module, "seven"), kSuccess);
    EXPECT_EQ(bytes, 4U);
    EXPECT_EQ(NumberAt(cu, seven), 7U);
    EXPECT_EQ(cu.cuModuleGetGlobal_v2(&seven, &bytes, module, "none"), kNotFound);
    EXPECT_EQ(Launch(cu, Find(cu, module, "bump"), 3, 2), kSuccess);
    EXPECT_EQ(NumberAt(cu, seven), 13U);
    // Each module has variables of its own.
    const Module other = Load(cu);
    DevicePtr second = 0;
    EXPECT_EQ(cu.cuModuleGetGlobal_v2(&second, nullptr, other, "seven"), kSuccess);
    EXPECT_EQ(NumberAt(cu, second), 7U);
    const Function gone = Find(cu, other, "bump");
    EXPECT_EQ(cu.cuModuleUnload(other), kSuccess);
    EXPECT_EQ(Launch(cu, gone, 1, 1), kInvalidHandle);
    EXPECT_EQ(cu.cuModuleUnload(other), kInvalidHandle);
  });
}

TEST(CudaCode, IsRefusedForWhatIsWrongWithIt) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    Module module = nullptr;
    const auto load = [&](const std::string& code) {
      return cu.cuModuleLoadData(&module, code.c_str());
    };
    EXPECT_EQ(load("what is this"), kInvalidImage);
    EXPECT_EQ(load(".version 6.0\n.target sm_70\nnonsense"), kInvalidPtx);
    EXPECT_EQ(load(".version 6.0\n.target sm_90\n.address_size 64\n"), kNoBinaryForGpu);
    EXPECT_EQ(load(".version 9.9\n.target sm_70\n.address_size 64\n"), kUnsupportedPtxVersion);
    EXPECT_EQ(load(".version 6.0\n.target sm_70\n.address_size 64\n.extern .global .u32 a;\n"),
              kInvalidPtx);
    EXPECT_EQ(cu.cuModuleLoad(&module, "/no/such/file"), kFileNotFound);
    char log[256] = "";
    JitOption options[] = {kJitErrorLogBuffer, kJitErrorLogBufferSizeBytes};
    void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
    EXPECT_EQ(cu.cuModuleLoadDataEx(&module, ".version 6.0\n.target sm_70\n\nnonsense", 2, options,
                                    values),
              kInvalidPtx);
    EXPECT_NE(std::string(log).find("line 4"), std::string::npos) << log;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(values[1]), std::strlen(log));
  });
}

TEST(CudaCode, ALibraryIsLoadedWhereItIsUsed) {
  RunOnNode([](const Cuda& cu) {
    EXPECT_EQ(cu.cuInit(0), kSuccess);
    Library library = nullptr;
    Kernel kernel = nullptr;
    EXPECT_EQ(cu.cuLibraryLoadData(&library, kCode, nullptr, nullptr, 0, nullptr, nullptr, 0),
              kSuccess);
    EXPECT_EQ(cu.cuLibraryGetKernel(&kernel, library, "tell"), kSuccess);
    EXPECT_EQ(cu.cuLibraryGetKernel(&kernel, library, "none"), kNotFound);
    std::size_t offset = 0;
    std::size_t size = 0;
    Function first = nullptr;
    EXPECT_EQ(cu.cuKernelGetFunction(&first, kernel), kInvalidContext);
    Begin(cu);
    EXPECT_EQ(cu.cuKernelGetFunction(&first, kernel), kSuccess);
    EXPECT_EQ(cu.cuKernelGetParamInfo(kernel, 1, &offset, &size), kSuccess);
    EXPECT_EQ(offset, 8U);
    EXPECT_EQ(size, 4U);
    EXPECT_EQ(cu.cuKernelGetParamInfo(kernel, 2, &offset, &size), kInvalidValue);
    // A kernel is launched in any context, as if it were a function.
    for (const Device device : {0, 1}) {
      Begin(cu, device);
      DevicePtr at = Allocate(cu, 4);
      std::uint32_t number = 40U + static_cast<unsigned>(device);
      void* parameters[] = {&at, &number};
      EXPECT_EQ(Launch(cu, reinterpret_cast<Function>(kernel), 1, 1, parameters), kSuccess);
      EXPECT_EQ(NumberAt(cu, at), number);
      // The function is the first context's alone.
      EXPECT_EQ(Launch(cu, first, 1, 1, parameters), kInvalidHandle);
    }
    Module module = nullptr;
    EXPECT_EQ(cu.cuLibraryGetModule(&module, library), kSuccess);
    EXPECT_EQ(cu.cuModuleUnload(module), kNotPermitted);
    EXPECT_EQ(cu.cuLibraryUnload(library), kSuccess);
    EXPECT_EQ(cu.cuKernelGetFunction(&first, kernel), kInvalidHandle);
  });
}

TEST(CudaLaunch, TakesItsArgumentsInEveryForm) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    const Function tell = Find(cu, Load(cu), "tell");
    struct {
      DevicePtr at;
      std::uint32_t number;
    } packed{Allocate(cu, 4), 1};
    void* parameters[] = {&packed.at, &packed.number};
    EXPECT_EQ(Launch(cu, tell, 1, 1, parameters), kSuccess);
    packed.number = 5;  // the launch has taken its own
    EXPECT_EQ(NumberAt(cu, packed.at), 1U);

    std::size_t bytes = 12;
    void* extra[] = {reinterpret_cast<void*>(kLaunchParamBufferPointer), &packed,
                     reinterpret_cast<void*>(kLaunchParamBufferSize), &bytes,
                     reinterpret_cast<void*>(kLaunchParamEnd)};
    EXPECT_EQ(cu.cuLaunchKernel(tell, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra), kSuccess);
    EXPECT_EQ(NumberAt(cu, packed.at), 5U);
    EXPECT_EQ(cu.cuLaunchKernel(tell, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, extra),
              kInvalidValue);
    EXPECT_EQ(Launch(cu, tell, 1, 1), kInvalidValue);
    bytes = 8;
    EXPECT_EQ(cu.cuLaunchKernel(tell, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra), kInvalidValue);

    packed.number = 6;
    LaunchConfig config{.grid_x = 1,
                        .grid_y = 1,
                        .grid_z = 1,
                        .block_x = 1,
                        .block_y = 1,
                        .block_z = 1,
                        .shared_bytes = 0,
                        .stream = nullptr};
    EXPECT_EQ(cu.cuLaunchKernelEx(&config, tell, parameters, nullptr), kSuccess);
    EXPECT_EQ(NumberAt(cu, packed.at), 6U);
  });
}

TEST(CudaLaunch, HasTheLimitsOfTheHardware) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    const Module module = Load(cu);
    const Function odd = Find(cu, module, "odd");
    const Function wide = Find(cu, module, "wide");
    EXPECT_EQ(Launch(cu, odd, 1, 1024), kSuccess);
    EXPECT_EQ(Launch(cu, odd, 1, 1025), kInvalidValue);
    EXPECT_EQ(Launch(cu, odd, 0, 1), kInvalidValue);
    EXPECT_EQ(Launch(cu, odd, 1, 0), kInvalidValue);
    EXPECT_EQ(cu.cuLaunchKernel(odd, 1, 65536, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr),
              kInvalidValue);
    EXPECT_EQ(Launch(cu, wide, 1, 64), kSuccess);
    EXPECT_EQ(Launch(cu, wide, 1, 32), kInvalidValue);
    // 48 KiB of shared memory for each block, unless the program asks for more.
    EXPECT_EQ(Launch(cu, wide, 1, 64, nullptr, 47 << 10), kSuccess);
    EXPECT_EQ(Launch(cu, wide, 1, 64, nullptr, 48 << 10), kInvalidValue);
    EXPECT_EQ(cu.cuFuncSetAttribute(wide, kFunctionMaxDynamicSharedSizeBytes, 64 << 10), kSuccess);
    EXPECT_EQ(Launch(cu, wide, 1, 64, nullptr, 48 << 10), kSuccess);
    EXPECT_EQ(cu.cuFuncSetAttribute(wide, kFunctionMaxDynamicSharedSizeBytes, 1 << 20),
              kInvalidValue);
    int value = 0;
    EXPECT_EQ(cu.cuFuncGetAttribute(&value, kFunctionMaxThreadsPerBlock, wide), kSuccess);
    EXPECT_EQ(value, 64);
    EXPECT_EQ(cu.cuFuncGetAttribute(&value, kFunctionSharedSizeBytes, wide), kSuccess);
    EXPECT_EQ(value, 1024);
    // All blocks of a cooperative launch must fit at once: 108 multiprocessors of 32 blocks each.
    const auto together = [&](unsigned grid) {
      return cu.cuLaunchCooperativeKernel(odd, grid, 1, 1, 32, 1, 1, 0, nullptr, nullptr);
    };
    EXPECT_EQ(together(108 * 32), kSuccess);
    EXPECT_EQ(together(108 * 32 + 1), kCooperativeLaunchTooLarge);
  });
}

TEST(CudaLaunch, TakesTheTimeThatItsKernelSays) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    const Function slow = Find(cu, Load(cu), "slow");
    Event begin = nullptr;
    Event end = nullptr;
    EXPECT_EQ(cu.cuEventCreate(&begin, 0), kSuccess);
    EXPECT_EQ(cu.cuEventCreate(&end, 0), kSuccess);
    std::uint64_t ns = 3'000'000;
    void* parameters[] = {&ns};
    EXPECT_EQ(cu.cuEventRecord(begin, nullptr), kSuccess);
    EXPECT_EQ(Launch(cu, slow, 1, 1, parameters), kSuccess);
    EXPECT_EQ(cu.cuEventRecord(end, nullptr), kSuccess);
    EXPECT_EQ(cu.cuEventSynchronize(end), kSuccess);
    float milliseconds = 0;
    EXPECT_EQ(cu.cuEventElapsedTime(&milliseconds, begin, end), kSuccess);
    EXPECT_GE(milliseconds, 3.0F);
  });
}

TEST(CudaLaunch, AWrongAddressBreaksTheContextAndNoOther) {
  RunOnNode([](const Cuda& cu) {
    const Context broken = Begin(cu);
    const Function tell = Find(cu, Load(cu), "tell");
    DevicePtr at = Allocate(cu, 4) + (1ULL << 40U);
    std::uint32_t number = 1;
    void* parameters[] = {&at, &number};
    EXPECT_EQ(Launch(cu, tell, 1, 1, parameters), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kIllegalAddress);
    DevicePtr more = 0;
    EXPECT_EQ(cu.cuMemAlloc_v2(&more, 4), kIllegalAddress);
    EXPECT_EQ(Launch(cu, tell, 1, 1, parameters), kIllegalAddress);
    EXPECT_EQ(cu.cuCtxDestroy_v2(broken), kSuccess);
    Begin(cu);
    at = Allocate(cu, 8) + 1;
    void* odd[] = {&at, &number};
    EXPECT_EQ(Launch(cu, Find(cu, Load(cu), "tell"), 1, 1, odd), kSuccess);
    EXPECT_EQ(cu.cuCtxSynchronize(), kMisalignedAddress);
  });
}

TEST(CudaLaunch, IsTheFirstCudasToo) {
  const CudaNode node("a100x2");
  Program program(node, [&](const Cuda& cu) {
    Begin(cu);
    const Function tell = Find(cu, Load(cu), "tell");
    void* library = dlopen(node.library().c_str(), RTLD_NOW);
    const auto call = [&](const char* name, auto... arguments) {
      return reinterpret_cast<Result (*)(decltype(arguments)...)>(dlsym(library, name))(
          arguments...);
    };
    DevicePtr at = Allocate(cu, 4);
    EXPECT_EQ(call("cuFuncSetBlockShape", tell, 1, 1, 1), kSuccess);
    EXPECT_EQ(call("cuParamSetv", tell, 0, static_cast<void*>(&at), 8U), kSuccess);
    EXPECT_EQ(call("cuParamSeti", tell, 8, 9U), kSuccess);
    EXPECT_EQ(call("cuParamSetSize", tell, 12U), kSuccess);
    EXPECT_EQ(cu.cuLaunchGrid(tell, 1, 1), kSuccess);
    EXPECT_EQ(NumberAt(cu, at), 9U);
    EXPECT_EQ(cu.cuLaunchGrid(tell, 0, 1), kInvalidValue);
  });
  EXPECT_TRUE(program.Ended());
}

TEST(CudaLaunch, OccupancyCountsWhatAMultiprocessorHas) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    const Module module = Load(cu);
    const Function odd = Find(cu, module, "odd");
    int blocks = 0;
    EXPECT_EQ(cu.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, odd, 1024, 0), kSuccess);
    EXPECT_EQ(blocks, 2);
    EXPECT_EQ(cu.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, odd, 32, 0), kSuccess);
    EXPECT_EQ(blocks, 32);
    EXPECT_EQ(cu.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, odd, 32, 40 << 10), kSuccess);
    EXPECT_EQ(blocks, 4) << "164 KiB of shared memory, and 1 KiB more for each block";
    int grid = 0;
    int block = 0;
    EXPECT_EQ(cu.cuOccupancyMaxPotentialBlockSize(&grid, &block, odd, nullptr, 0, 0), kSuccess);
    EXPECT_EQ(block, 1024);
    EXPECT_EQ(grid, 2 * 108);
  });
}

TEST(CudaCode, OnePieceGoesThroughALink) {
  RunOnNode([](const Cuda& cu) {
    Begin(cu);
    LinkState link = nullptr;
    void* code = nullptr;
    std::size_t bytes = 0;
    Module module = nullptr;
    EXPECT_EQ(cu.cuLinkCreate_v2(0, nullptr, nullptr, &link), kSuccess);
    std::string text = kCode;
    EXPECT_EQ(
        cu.cuLinkAddData_v2(link, kJitInputPtx, text.data(), text.size(), "a", 0, nullptr, nullptr),
        kSuccess);
    EXPECT_EQ(
        cu.cuLinkAddData_v2(link, kJitInputPtx, text.data(), text.size(), "b", 0, nullptr, nullptr),
        kNotSupported);
    EXPECT_EQ(cu.cuLinkComplete(link, &code, &bytes), kSuccess);
    EXPECT_EQ(cu.cuModuleLoadData(&module, code), kSuccess);
    EXPECT_EQ(cu.cuLinkDestroy(link), kSuccess);
    EXPECT_EQ(cu.cuLinkDestroy(link), kInvalidHandle);
    Find(cu, module, "tell");
  });
}

}  // namespace
}  // namespace tranche::sim::cuda::testing
