// What the simulated hardware costs: times and bytes that are nobody's choice but the GPU's, each
// with its source. What is an estimate of ours says so; bench/gpu is what measures it on a card.
//
// Threading: plain functions, safe on any thread.
// Errors: none. A property that is 0 counts as 1.
#pragma once

#include <array>
#include <cstdint>

#include "sim/engine/engine.h"

namespace tranche::sim::engine {

// ---- turns of contexts

// The default time slice of a channel group since Volta: 128 << 3 us.
// Source: NVIDIA's open-gpu-kernel-modules, src/nvidia/src/kernel/gpu/fifo/arch/volta/
// kernel_fifo_gv100.c, kfifoChannelGroupGetDefaultTimeslice_GV100, with the constants
// NV_RAMRL_ENTRY_TSG_TIMESLICE_TIMEOUT_128 and _SCALE_3 of volta/gv100/dev_ram.h.
inline constexpr Time kDefaultSlice = 1'024'000;

// What it takes to change from one context to another. NVIDIA publishes no figure
// (https://forums.developer.nvidia.com/t/multi-process-context-switching/188437). An estimate: the
// registers and shared memory of an H100, 132 x (256 + 228) KiB, written and another context's
// read at 3.35 TB/s, are 39 us. Results should be shown for all three.
inline constexpr std::array<Time, 3> kSwitchCosts = {10'000, 50'000, 200'000};
inline constexpr Time kDefaultSwitchCost = kSwitchCosts[1];

// ---- memory of contexts

struct Chip {
  int compute_major = 0;  // compute capability
  int compute_minor = 0;
  unsigned multiprocessors = 0;  // of the GPU instance, where there is one
};

// How many threads a multiprocessor holds. Source: CUDA C++ Programming Guide, table "Technical
// Specifications per Compute Capability".
unsigned ThreadsPerMultiprocessor(int compute_major, int compute_minor);

// What a context takes before the program has allocated anything.
//
// Every thread that the GPU can hold has a stack of 1 KiB (cudaLimitStackSize), 216 MiB on an A100
// (https://github.com/arcs-skku/EMDC_llvm/issues/13). What comes on top of it grows with the
// multiprocessors too: measured are 107 MiB on an RTX 4060 Ti with 34 of them and 555 MiB on an
// RTX PRO 6000 with 188 (https://github.com/ggml-org/llama.cpp/pull/23604), and 256 MiB on an
// RTX 3090 with 82 (https://github.com/invoke-ai/InvokeAI/issues/9413), which 1.5 MiB for each
// meets within 5 %. For other chips this is an estimate: 100 MiB on a T4, 280 on a V100, 378 on an
// A100, 462 on an H100. Rounded up to whole pieces of kGranularity.
std::uint64_t ContextBytes(const Chip& chip);

// ---- copies

// Between host and device, in one direction, in bytes a second. Measured are 12 GB/s for
// generation 3 and 25 GB/s for generation 4 at 16 lanes
// (https://github.com/ZaidQureshi/bam/issues/54), and 53 GB/s for generation 5
// (https://github.com/NVIDIA/nvbandwidth/issues/24). Generations 1 and 2 are estimates from the
// specification's 4 and 8 GB/s; later ones count as 5.
std::uint64_t LinkRate(unsigned pcie_generation, unsigned pcie_width);

// Within device memory, in bytes moved a second: 80 % of two transfers a clock over the bus.
// Measured are 89 % of it on an A100 (https://github.com/openfabric-systems/simllm/pull/109) and
// 77 % on an H100 (https://github.com/NVIDIA/nccl/issues/1264).
std::uint64_t MemoryRate(unsigned bus_bits, unsigned memory_mhz);

// An estimate: what a copy takes however small it is.
inline constexpr Time kCopySetup = 1'500;

// A copy over a link, or a fill. A copy within the device moves each byte twice.
Time CopyTime(std::uint64_t bytes, std::uint64_t rate);

// ---- kernels

// What an empty kernel occupies the GPU for. An estimate from between two measurements: a node of
// a graph costs 0.58 us (https://github.com/ahrefs/ocannl/issues/488), and recording an event
// between two launches costs 2.34 us (https://github.com/openfabric-systems/simllm/pull/109).
inline constexpr Time kEmptyKernel = 2'000;

// An estimate for a kernel whose launch does not say how long it takes: each multiprocessor does
// its part of the blocks, one after the other. 200 ns is what 256 threads need that move 12 bytes
// each at an even part of an A100's memory bandwidth.
inline constexpr Time kBlock = 200;

Time KernelTime(std::uint64_t blocks, unsigned multiprocessors);

}  // namespace tranche::sim::engine
