#include "sim/node/processes.h"

#include <algorithm>

namespace tranche::sim {

bool PutProcess(GpuState& gpu, const ProcessState& process, std::uint64_t now_us) {
  ProcessState* const end = gpu.processes + std::min(gpu.process_count, kMaxProcesses);
  ProcessState* const at = std::find_if(gpu.processes, end, [&](const ProcessState& other) {
    return other.pid == process.pid && other.gpu_instance == process.gpu_instance &&
           other.compute_instance == process.compute_instance;
  });
  const bool is_new = at == end;
  if (is_new && gpu.process_count >= kMaxProcesses) return false;
  const std::uint64_t start_us = is_new ? now_us : at->start_us;
  const std::uint64_t most = is_new ? 0 : at->max_memory_bytes;
  *at = process;
  at->start_us = start_us;
  at->max_memory_bytes = std::max(most, process.memory_bytes);
  if (is_new) ++gpu.process_count;
  return true;
}

bool EndProcess(NodeState& state, unsigned slot, std::uint32_t pid, std::uint64_t now_us) {
  GpuState& gpu = state.gpus[slot];
  ProcessState* const end = gpu.processes + std::min(gpu.process_count, kMaxProcesses);
  ProcessState* kept = gpu.processes;
  for (const ProcessState* at = gpu.processes; at != end; ++at) {
    if (at->pid != pid) {
      *kept++ = *at;
    } else if (gpu.accounting != 0) {
      AccountState account = AccountOf(*at, state.header.time_scale, now_us);
      account.number = ++state.last_account[slot];
      state.accounts[slot][account.number % kMaxAccounts] = account;
    }
  }
  gpu.process_count = static_cast<std::uint32_t>(kept - gpu.processes);
  return kept != end;
}

bool HasProcess(const GpuState& gpu, std::uint32_t pid) {
  const ProcessState* const end = gpu.processes + std::min(gpu.process_count, kMaxProcesses);
  return std::any_of(gpu.processes, end, [&](const auto& process) { return process.pid == pid; });
}

BusyPercent BusyByHand(const GpuState& gpu) {
  BusyPercent sum;
  for (unsigned i = 0; i < std::min(gpu.process_count, kMaxProcesses); ++i) {
    const ProcessState& process = gpu.processes[i];
    if (process.by_driver != 0) continue;
    sum.gpu = std::min(sum.gpu + process.sm_percent, 100U);
    sum.memory = std::min(sum.memory + process.memory_percent, 100U);
  }
  return {.gpu = std::max(sum.gpu, gpu.gpu_percent),
          .memory = std::max(sum.memory, gpu.memory_percent)};
}

void AddSample(NodeState& state, unsigned slot, SampleState sample) {
  sample.number = ++state.last_sample[slot];
  state.samples[slot][sample.number % kMaxSamples] = sample;
}

AccountState AccountOf(const ProcessState& process, std::uint32_t time_scale,
                       std::uint64_t now_us) {
  const std::uint64_t lived_us =
      (std::max(now_us, process.start_us) - process.start_us) / std::max(time_scale, 1U);
  AccountState account{};
  account.pid = process.pid;
  account.sm_percent = process.sm_percent;
  account.memory_percent = process.memory_percent;
  if (process.by_driver != 0) {
    const std::uint64_t percent = process.busy_us * 100 / std::max<std::uint64_t>(lived_us, 1);
    account.sm_percent = static_cast<std::uint32_t>(std::min<std::uint64_t>(percent, 100));
  }
  account.max_memory_bytes = process.max_memory_bytes;
  account.start_us = process.start_us;
  account.time_ms = lived_us / 1000;
  return account;
}

}  // namespace tranche::sim
