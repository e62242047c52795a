// What goes wrong on a node: XIDs, lost GPUs, memory errors, calls that fail or hang.
#include <algorithm>
#include <cstdint>

#include "sim/node/node.h"
#include "sim/node/processes.h"

namespace tranche::sim {
namespace {

using base::Code;
using base::Status;

// nvmlEventType…
constexpr std::uint64_t kEventSingleBitEcc = 0x1;
constexpr std::uint64_t kEventDoubleBitEcc = 0x2;
constexpr std::uint64_t kEventXid = 0x8;
constexpr std::uint64_t kXidOffTheBus = 79;  // "GPU has fallen off the bus"

// Numbers the event, and says where it happened.
void AddEvent(NodeState& state, const DeviceRef& device, EventState event) {
  event.number = ++state.header.last_event;
  event.slot = device.slot;
  event.gpu_instance = device.gpu_instance;
  event.compute_instance = device.compute_instance;
  state.events[event.number % kMaxEvents] = event;
}

void Count(EccCount& count, std::uint64_t more) {
  count.since_load += more;
  count.ever += more;
}

}  // namespace

Status Node::RaiseXid(const DeviceRef& device, std::uint64_t xid, std::uint32_t pid) {
  return state_->Edit([&](NodeState& state) -> Status {
    if (pid != 0 && !HasProcess(state.gpus[device.slot], pid)) {
      return {Code::kNotFound, "no such process on this GPU"};
    }
    AddEvent(state, device, {.pid = pid, .type = kEventXid, .data = xid});
    return Status::Ok();
  });
}

Status Node::Lose(unsigned slot) {
  return state_->Edit([&](NodeState& state) {
    state.gpus[slot].lost = 1;
    AddEvent(state, {.slot = slot}, {.type = kEventXid, .data = kXidOffTheBus});
    return Status::Ok();
  });
}

Status Node::Return(unsigned slot) {
  return EditGpu(slot, [](GpuState& gpu) {
    gpu.lost = 0;
    return Status::Ok();
  });
}

Status Node::AddMemoryErrors(unsigned slot, const MemoryErrors& errors) {
  return state_->Edit([&](NodeState& state) -> Status {
    if (slot >= state.header.slot_count) return {Code::kNotFound, "no such GPU"};
    GpuState& gpu = state.gpus[slot];
    if (gpu.ecc == 0) return {Code::kFailedPrecondition, "this GPU has no ECC memory"};
    EccCount* counts = errors.sram ? gpu.ecc_errors.sram : gpu.ecc_errors.dram;
    Count(counts[0], errors.corrected);
    Count(counts[1], errors.uncorrected);
    gpu.ecc_errors.remapped_rows[0] += errors.remapped_corrected;
    gpu.ecc_errors.remapped_rows[1] += errors.remapped_uncorrected;
    if (errors.remap_pending) gpu.ecc_errors.remap_pending = 1;
    if (errors.remap_failed) gpu.ecc_errors.remap_failed = 1;
    if (errors.corrected > 0) AddEvent(state, {.slot = slot}, {.type = kEventSingleBitEcc});
    if (errors.uncorrected > 0) AddEvent(state, {.slot = slot}, {.type = kEventDoubleBitEcc});
    return Status::Ok();
  });
}

Status Node::ForgetMemoryErrors(unsigned slot) {
  return EditGpu(slot, [](GpuState& gpu) {
    gpu.ecc_errors = {};
    return Status::Ok();
  });
}

Status Node::Break(const Fault& fault) {
  if (fault.call.empty() || fault.call.size() >= sizeof(FaultState::call)) {
    return {Code::kInvalidArgument, "no such call: " + fault.call};
  }
  return state_->Edit([&](NodeState& state) -> Status {
    NodeHeader& header = state.header;
    if (header.fault_count == kMaxFaults) {
      return {Code::kResourceExhausted, "32 faults are in force: heal some"};
    }
    FaultState& entry = header.faults[header.fault_count++];
    entry = {};
    entry.id = ++header.last_fault_id;
    entry.hang = fault.hang ? 1 : 0;
    entry.code = fault.code;
    entry.count = fault.count;
    entry.slot = fault.slot.value_or(kWholeGpu);
    if (fault.lasts.count() > 0) {
      entry.until_ns = MonotonicNs() + static_cast<std::uint64_t>(fault.lasts.count());
    }
    SetText(entry.call, fault.call);
    return Status::Ok();
  });
}

Status Node::Heal(std::string_view call) {
  return state_->Edit([&](NodeState& state) -> Status {
    NodeHeader& header = state.header;
    FaultState* end = header.faults + header.fault_count;
    FaultState* kept = std::remove_if(header.faults, end, [&](const FaultState& fault) {
      return call.empty() || call == fault.call;
    });
    header.fault_count = static_cast<std::uint32_t>(kept - header.faults);
    if (call.empty()) {
      for (GpuState& gpu : state.gpus) gpu.duplicated = 0;
    }
    return Status::Ok();
  });
}

Status Node::Duplicate(unsigned slot) {
  return EditGpu(slot, [](GpuState& gpu) {
    ++gpu.duplicated;
    return Status::Ok();
  });
}

}  // namespace tranche::sim
