// StateReader reads the shared state of a simulated node. It runs inside libnvidia-ml.so.1 and
// libcuda.so.1, hence without our other libraries and without exceptions.
//
// Threading: safe on any thread. Snapshots are consistent: a read waits for a write that is under
// way.
// Errors: a file that is missing, short, or of another layout does not open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/node/state.h"

namespace tranche::sim {

// What a reader works on: header and the GPUs in use, by slot.
struct NodeSnapshot {
  NodeHeader header{};
  std::vector<GpuState> gpus;
};

class StateReader {
 public:
  static std::unique_ptr<StateReader> Open(const std::string& path);  // nullptr: cannot
  ~StateReader();
  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  // Changes with every write; odd while one is under way.
  [[nodiscard]] std::uint32_t Sequence() const;
  void Read(NodeSnapshot* out) const;
  void ReadHeader(NodeHeader* out) const;  // of that only the header
  // Events numbered from `first` on that are still in the ring, oldest first.
  [[nodiscard]] std::vector<EventState> EventsFrom(std::uint64_t first) const;
  // Samples of a GPU that are still in the ring and whose period ended after `after_us`
  // (CLOCK_REALTIME), oldest first.
  [[nodiscard]] std::vector<SampleState> SamplesFrom(unsigned slot, std::uint64_t after_us) const;
  // Accounts of a GPU's processes that have ended, oldest first.
  [[nodiscard]] std::vector<AccountState> Accounts(unsigned slot) const;
  // Waits until Sequence() is no longer `seen`, `timeout_ns` at most. May come back early.
  void WaitForChange(std::uint32_t seen, std::uint64_t timeout_ns) const;

 private:
  explicit StateReader(const NodeState* state) : state_(state) {}
  const NodeState* state_;
};

std::uint64_t MonotonicNs();
std::uint64_t RealtimeUs();

}  // namespace tranche::sim
