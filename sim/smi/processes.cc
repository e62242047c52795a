#include "sim/smi/processes.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

namespace tranche::sim::smi {
namespace {

using Call = nvml::Return (*)(nvml::Device, unsigned*, nvml::ProcessInfo*);

void AddProcesses(Call call, nvml::Device device, char type, std::vector<Process>* processes) {
  unsigned count = 0;
  std::vector<nvml::ProcessInfo> infos;
  // They may become more meanwhile.
  for (int tries = 0; tries < 4; ++tries) {
    const nvml::Return got = call(device, &count, infos.data());
    if (got == nvml::kSuccess) break;
    if (got != nvml::kInsufficientSize) return;
    count += 8;
    infos.resize(count);
  }
  for (unsigned i = 0; i < std::min<std::size_t>(count, infos.size()); ++i) {
    processes->push_back({.pid = infos[i].pid,
                          .type = type,
                          .memory_bytes = infos[i].used_gpu_memory,
                          .gpu_instance = infos[i].gpu_instance_id,
                          .compute_instance = infos[i].compute_instance_id});
  }
}

struct Use {
  unsigned sm = 0;
  unsigned memory = 0;
};

// Over the last second.
std::map<unsigned, Use> Uses(const Table& table, nvml::Device device) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const unsigned long long since = (static_cast<unsigned long long>(now.tv_sec) - 1) * 1'000'000 +
                                   static_cast<unsigned long long>(now.tv_nsec) / 1000;
  unsigned count = 0;
  std::map<unsigned, Use> uses;
  if (table.nvmlDeviceGetProcessUtilization(device, nullptr, &count, since) !=
      nvml::kInsufficientSize) {
    return uses;
  }
  std::vector<nvml::ProcessUtilizationSample> samples(count + 8);
  count = static_cast<unsigned>(samples.size());
  if (table.nvmlDeviceGetProcessUtilization(device, samples.data(), &count, since) ==
      nvml::kSuccess) {
    for (unsigned i = 0; i < count; ++i) {
      uses[samples[i].pid] = {samples[i].sm_util, samples[i].mem_util};
    }
  }
  return uses;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void MonitorOnce(const Table& table, unsigned index, nvml::Device device) {
  const std::vector<Process> processes = AllProcesses(table, device);
  if (processes.empty()) {
    std::printf("%5u %10s %5s %6s %6s %6s %6s %6s %6s    %-15s\n", index, "-", "-", "-", "-", "-",
                "-", "-", "-", "-");
    return;
  }
  std::map<unsigned, Use> uses = Uses(table, device);
  for (const Process& process : processes) {
    const Use use = uses[process.pid];
    std::printf("%5u %10u %5c %6u %6u %6s %6s %6s %6s    %-15s\n", index, process.pid, process.type,
                use.sm, use.memory, "-", "-", "-", "-",
                BaseName(ProcessName(table, process.pid)).c_str());
  }
}

}  // namespace

std::vector<Process> ComputeProcesses(const Table& table, nvml::Device device) {
  std::vector<Process> processes;
  AddProcesses(table.nvmlDeviceGetComputeRunningProcesses_v3, device, 'C', &processes);
  AddProcesses(table.nvmlDeviceGetMPSComputeRunningProcesses_v3, device, 'C', &processes);
  return processes;
}

std::vector<Process> AllProcesses(const Table& table, nvml::Device device) {
  std::vector<Process> processes = ComputeProcesses(table, device);
  AddProcesses(table.nvmlDeviceGetGraphicsRunningProcesses_v3, device, 'G', &processes);
  return processes;
}

std::vector<Account> Accounts(const Table& table, nvml::Device device) {
  std::vector<Account> accounts;
  unsigned count = 0;
  if (table.nvmlDeviceGetAccountingPids(device, &count, nullptr) != nvml::kInsufficientSize) {
    return accounts;
  }
  std::vector<unsigned> pids(count + 8);
  count = static_cast<unsigned>(pids.size());
  if (table.nvmlDeviceGetAccountingPids(device, &count, pids.data()) != nvml::kSuccess) return {};
  for (unsigned i = 0; i < count; ++i) {
    Account account{.pid = pids[i]};
    if (table.nvmlDeviceGetAccountingStats(device, pids[i], &account.stats) == nvml::kSuccess) {
      accounts.push_back(account);
    }
  }
  return accounts;
}

std::string ProcessName(const Table& table, unsigned pid) {
  char name[256] = "";
  const nvml::Return got = table.nvmlSystemGetProcessName(pid, name, sizeof name);
  if (got == nvml::kNoPermission) return "[Insufficient Permissions]";
  return got == nvml::kSuccess && name[0] != '\0' ? name : "[Not Found]";
}

int MonitorProcesses(const Table& table, const std::string& only, unsigned times,
                     unsigned seconds) {
  std::puts(
      "# gpu         pid  type     sm    mem    enc    dec    jpg    ofa    command\n"
      "# Idx           #   C/G      %      %      %      %      %      %    name");
  int failed = 0;
  for (unsigned i = 0; i < times; ++i) {
    if (i > 0) {
      const timespec pause{static_cast<time_t>(seconds), 0};
      nanosleep(&pause, nullptr);
    }
    failed = ForEachGpu(table, only, [&](unsigned index, nvml::Device device) {
      MonitorOnce(table, index, device);
    });
    std::fflush(stdout);
  }
  return failed;
}

}  // namespace tranche::sim::smi
