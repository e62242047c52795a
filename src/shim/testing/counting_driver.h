// A driver that only counts, in front of which programs go through the hooks of the shim one
// instruction after the other (kill_test.cc): what it has given lies in memory that the test shares
// with them. It takes the place of shim/driver.cc.
//
// Threading: one thread of one program at a time.
// Errors: none.
#pragma once

#include <atomic>
#include <cstdint>

#include "shim/abi.h"
#include "wire/pages.h"

namespace tranche::shim::testing {

inline constexpr std::uint64_t kMib = 1U << 20U;

// What the programs share: the pod's pages, and what the driver has given to the victim.
struct Stage {
  wire::Counters counters;
  wire::Limits limits;
  std::atomic<std::uint64_t> given;
  std::atomic<std::uint64_t> reserved;  // of that, by the pool
  std::atomic<std::uint64_t> freeing;   // of that, what a stream is to free
  std::atomic<std::uint64_t> next;      // address or handle
  std::atomic<int> primary;             // 1: the primary context is there
};
extern Stage* stage;

// An allocation behind the shim's back.
Result Alloc(DevicePtr* at, std::size_t bytes);

}  // namespace tranche::shim::testing
