// What a node's state keeps of the processes on its GPUs: who is there, how busy they were, and,
// where accounting is on, what they had been when they ended. Whoever changes the state
// (StateWriter) uses these: sim::Node for processes that are put there by hand, the driver for
// those that it serves.
//
// Threading: plain functions of the state; call them while it may be written.
// Errors: a GPU takes kMaxProcesses, and one more is not taken. Old samples and accounts give way
// to new ones.
#pragma once

#include <cstdint>

#include "sim/node/state.h"

namespace tranche::sim {

// Puts a process on a GPU, or changes what is known of it where it is there already (same pid, same
// GPU instance and compute instance). Its start and the most memory it held are kept, whatever
// `process` says of them. False: there is no room.
bool PutProcess(GpuState& gpu, const ProcessState& process, std::uint64_t now_us);

// A process has ended, or has let go of the GPU; all its entries there go. False: none was there.
bool EndProcess(NodeState& state, unsigned slot, std::uint32_t pid, std::uint64_t now_us);

[[nodiscard]] bool HasProcess(const GpuState& gpu, std::uint32_t pid);

// How busy a GPU is by what was set by hand: as busy as was said, and at least as all processes
// together that were put there.
struct BusyPercent {
  unsigned gpu = 0;
  unsigned memory = 0;
};
[[nodiscard]] BusyPercent BusyByHand(const GpuState& gpu);

// Adds a sample; its number is given here.
void AddSample(NodeState& state, unsigned slot, SampleState sample);

// What accounting says of a process at this moment; its number is 0.
AccountState AccountOf(const ProcessState& process, std::uint32_t time_scale, std::uint64_t now_us);

}  // namespace tranche::sim
