// ReadImage reads GPU code in any of the forms that cuModuleLoadData takes: PTX text, a cubin, or a
// fat binary with several of them, of which it takes one that the given GPU can run.
//
// Threading: safe on any thread.
// Errors: see ReadResult. Its text is what the driver's log of the JIT compiler says.
#pragma once

#include <cstdint>
#include <string>

#include "sim/ptx/image.h"

namespace tranche::sim::ptx {

enum class ReadResult : std::uint8_t {
  kOk,
  kInvalid,         // neither of them, or broken
  kInvalidPtx,      // PTX with a mistake
  kNewPtx,          // PTX of a later version than the driver knows
  kNoneForThisGpu,  // whole, but for other architectures
  kPacked,          // compressed in a way that this driver does not read
};

struct Gpu {
  int architecture = 80;
  int newest_ptx = 84;
};

struct ReadImageAnswer {
  ReadResult result = ReadResult::kInvalid;
  std::string text;  // why not
  Image image;
};

// The newest PTX that a driver of this CUDA version (12040) knows: 84.
int NewestPtx(int cuda_version);

// How many bytes the image at `data` has, as far as its own headers or the end of its text say; at
// most `limit`. Of memory of a program, which says where its image begins and not how long it is.
std::uint64_t ImageSize(const void* data, std::uint64_t limit);

ReadImageAnswer ReadImage(const void* data, std::uint64_t size, const Gpu& gpu);

}  // namespace tranche::sim::ptx
