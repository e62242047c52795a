// Who is on a GPU, as NVML tells it, and nvidia-smi's monitor of them (pmon).
//
// Threading: one thread.
// Errors: where NVML tells of none, there are none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/smi/library.h"

namespace tranche::sim::smi {

struct Process {
  unsigned pid = 0;
  char type = 'C';  // compute, or G: graphics
  unsigned long long memory_bytes = 0;
  unsigned gpu_instance = 0xFFFFFFFF;  // none
  unsigned compute_instance = 0xFFFFFFFF;
};

struct Account {
  unsigned pid = 0;
  nvml::AccountingStats stats{};
};

std::vector<Process> ComputeProcesses(const Table& table, nvml::Device device);
std::vector<Process> AllProcesses(const Table& table, nvml::Device device);
std::vector<Account> Accounts(const Table& table, nvml::Device device);

// The program that it runs; "[Not Found]" where that is not to be seen from here.
std::string ProcessName(const Table& table, unsigned pid);

// Prints what each process has used, `times` times, `seconds` apart.
int MonitorProcesses(const Table& table, const std::string& only, unsigned times, unsigned seconds);

}  // namespace tranche::sim::smi
