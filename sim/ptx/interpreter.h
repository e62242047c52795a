// Interpret does what a kernel's code says, over memory that somebody else knows.
//
// Threads run one after the other, block after block, each until it ends or waits at a barrier. So
// a kernel in which threads wait for each other in another way never ends, and is given up.
//
// Threading: safe on any thread for different memory.
// Errors: a kernel may end badly, as on the hardware; see End. What it wrote before stays.
#pragma once

#include <cstdint>
#include <span>

#include "sim/ptx/image.h"

namespace tranche::sim::ptx {

// The global memory.
class Memory {
 public:
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint8_t* bytes = nullptr;  // of `begin`
  };
  virtual ~Memory() = default;
  // The allocation in which `address` lies; false where there is none.
  virtual bool Find(std::uint64_t address, Range* range) = 0;
};

struct Launch {
  std::uint32_t grid[3] = {1, 1, 1};
  std::uint32_t block[3] = {1, 1, 1};
  std::uint32_t dynamic_shared = 0;
  std::span<const std::uint8_t> params;
  std::span<const std::uint64_t> variables;  // addresses of the image's variables
  // What %globaltimer says when a thread reads it first, and later.
  std::uint64_t begins_ns = 0;
  std::uint64_t ends_ns = 0;
  std::uint64_t max_steps = 1U << 26U;  // instructions of all threads together
};

enum class End : std::uint8_t {
  kDone,
  kIllegalAddress,
  kMisaligned,
  kTrap,
  kTooLong,   // not done after max_steps
  kTooLarge,  // its threads need too much of this process's memory; nothing was done
};

struct Ending {
  End end = End::kDone;
  std::uint64_t address = 0;  // the one that was wrong
  std::uint64_t steps = 0;
};

// `kernel` has code. What has no effects is not run at all.
Ending Interpret(const Kernel& kernel, const Launch& launch, Memory& memory);

}  // namespace tranche::sim::ptx
