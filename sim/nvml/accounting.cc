// What processes have used of a GPU over their lives, where accounting mode is on.
#include <algorithm>
#include <optional>
#include <vector>

#include "sim/node/processes.h"
#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::AccountState;
using sim::GpuState;
using sim::NodeState;
using sim::nvml::GpuCall;
using sim::nvml::GpuValue;
using sim::nvml::Library;

// body(gpu) where accounting is on.
template <typename Body>
Return AccountingCall(const char* name, Device device, Body body) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    return gpu.accounting == 0 || gpu.mig_enabled != 0 ? kNotSupported : body(gpu);
  });
}

void ForgetEnded(NodeState& state, unsigned slot) { state.last_account[slot] = 0; }

enum class Process { kRuns, kHasEnded };

AccountingStats StatsOf(const AccountState& account, Process process) {
  const bool running = process == Process::kRuns;
  AccountingStats stats{};
  stats.gpu_utilization = account.sm_percent;
  stats.memory_utilization = account.memory_percent;
  stats.max_memory_usage = account.max_memory_bytes;
  stats.time_ms = running ? 0 : account.time_ms;
  stats.start_time_us = account.start_us;
  stats.is_running = running ? 1 : 0;
  return stats;
}

// Of a process that runs, else of the one of that pid that ended last.
std::optional<AccountingStats> Find(const GpuState& gpu, unsigned slot, unsigned pid) {
  const Library& library = Library::Get();
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    if (gpu.processes[i].pid != pid) continue;
    const AccountState account =
        sim::AccountOf(gpu.processes[i], library.node().header.time_scale, sim::RealtimeUs());
    return StatsOf(account, Process::kRuns);
  }
  std::optional<AccountingStats> found;
  for (const AccountState& account : library.reader().Accounts(slot)) {
    if (account.pid == pid) found = StatsOf(account, Process::kHasEnded);
  }
  return found;
}

// Every pid once, those that run first.
std::vector<unsigned> Pids(const GpuState& gpu, unsigned slot) {
  std::vector<unsigned> pids;
  const auto add = [&](unsigned pid) {
    if (std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
  };
  for (unsigned i = 0; i < gpu.process_count; ++i) add(gpu.processes[i].pid);
  for (const AccountState& account : Library::Get().reader().Accounts(slot)) add(account.pid);
  return pids;
}

}  // namespace

extern "C" {

Return nvmlDeviceGetAccountingMode(Device device, EnableState* mode) {
  return GpuValue(__func__, device, mode, [](const GpuState& gpu) {
    return gpu.accounting != 0 && gpu.mig_enabled == 0 ? kEnabled : kDisabled;
  });
}

Return nvmlDeviceSetAccountingMode(Device device, EnableState mode) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (mode > kEnabled) return kInvalidArgument;
    if (gpu.mig_enabled != 0) return kNotSupported;
    return Library::Get().ChangeGpu(device->slot, [&](NodeState& state, GpuState& own) {
      own.accounting = mode;
      if (mode == kDisabled) ForgetEnded(state, device->slot);
    });
  });
}

Return nvmlDeviceGetAccountingBufferSize(Device device, unsigned* size) {
  return AccountingCall(__func__, device, [&](const GpuState&) {
    if (size == nullptr) return kInvalidArgument;
    *size = sim::kMaxAccounts;
    return kSuccess;
  });
}

Return nvmlDeviceGetAccountingPids(Device device, unsigned* count, unsigned* pids) {
  return AccountingCall(__func__, device, [&](const GpuState& gpu) {
    if (count == nullptr) return kInvalidArgument;
    const std::vector<unsigned> known = Pids(gpu, device->slot);
    const unsigned room = pids == nullptr ? 0 : *count;
    *count = static_cast<unsigned>(known.size());
    if (room < known.size()) return kInsufficientSize;
    std::copy(known.begin(), known.end(), pids);
    return kSuccess;
  });
}

Return nvmlDeviceGetAccountingStats(Device device, unsigned pid, AccountingStats* stats) {
  return AccountingCall(__func__, device, [&](const GpuState& gpu) {
    if (stats == nullptr) return kInvalidArgument;
    const std::optional<AccountingStats> found = Find(gpu, device->slot, pid);
    if (!found) return kNotFound;
    *stats = *found;
    return kSuccess;
  });
}

Return nvmlDeviceClearAccountingPids(Device device) {
  return AccountingCall(__func__, device, [&](const GpuState&) {
    return Library::Get().ChangeGpu(
        device->slot, [&](NodeState& state, GpuState&) { ForgetEnded(state, device->slot); });
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
