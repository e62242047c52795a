// Jit is what a program asks of the compiler in the driver: the options of cuModuleLoadDataEx and
// cuLinkCreate. Here it reads PTX text, and what the program gets of it is the log of mistakes.
// Code is a piece of code as a program gives it.
//
// Threading: plain functions; Code reads the memory that a program names.
// Errors: CUDA's result codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/objects.h"
#include "sim/ptx/image.h"

namespace tranche::sim::cuda {

struct Jit {
  unsigned count = 0;
  JitOption* options = nullptr;
  void** values = nullptr;

  // kInvalidValue where there are options and no values.
  [[nodiscard]] Result Check() const;
  // Puts a text, or none, into the program's buffers, and how long it is into their options.
  void Log(const std::string& errors) const;
};

using Code = std::shared_ptr<const std::vector<std::uint8_t>>;

// A copy of the code that begins at `image`, whose form says how long it is; nullptr: of no form.
Code CopyCode(const void* image);
Result ReadCode(const char* path, Code* code);  // kFileNotFound

// What the code is for a GPU. kInvalidImage, kInvalidPtx, kNoBinaryForGpu, ….
Result ReadImageFor(const DeviceObject& device, const Code& code, const Jit& jit,
                    std::shared_ptr<const ptx::Image>* image);

}  // namespace tranche::sim::cuda
