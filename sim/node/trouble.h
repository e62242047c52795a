// Trouble makes calls of the node's libraries fail or hang where the node's state asks for it
// (FaultState). Each library has one. It runs inside them, hence without our other libraries and
// without exceptions.
//
// A fault names a call as it is exported, or without what its name ends with: nvmlDeviceGetCount is
// nvmlDeviceGetCount_v2 too, cuMemcpyHtoDAsync is cuMemcpyHtoDAsync_v2_ptsz too, and nvmlInit is
// nvmlInitWithFlags. A name that ends with * is all calls that begin so; * alone is all of NVML.
//
// Threading: safe on any thread. While no fault is in force, a call costs one look at the state.
// Errors: none; a call that hangs returns when the fault is healed or has run out.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "sim/node/state_reader.h"

namespace tranche::sim {

// Whether a fault of the name `said` is about the exported function `call`.
bool FaultNames(const char* said, const char* call);

class Trouble {
 public:
  explicit Trouble(const StateReader& reader) : reader_(reader) {}

  // What `call` about the GPU in `slot` (kWholeGpu: about none) answers instead of doing its work;
  // 0: it does its work. Waits as long as the call is to hang.
  std::uint32_t Of(const char* call, unsigned slot);

 private:
  struct Step {  // what a call in trouble does next
    std::uint32_t answer = 0;
    bool wait = false;
    std::uint32_t seen = 0;
  };
  Step Next(const char* call, unsigned slot, std::uint32_t* hanging);
  const FaultState* FaultFor(const char* call, unsigned slot);
  void Refresh();

  const StateReader& reader_;
  static constexpr std::uint64_t kNone = UINT64_MAX;  // beyond every sequence
  std::atomic<std::uint64_t> quiet_ = kNone;          // a state (by its sequence) that has no fault
  std::mutex mutex_;
  std::optional<std::uint32_t> seen_;  // sequence of header_
  NodeHeader header_{};
  std::unordered_map<std::uint32_t, unsigned> uses_;  // of faults, by this process
};

}  // namespace tranche::sim
