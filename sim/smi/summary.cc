#include "sim/smi/summary.h"

#include <cstdio>
#include <cstring>
#include <ctime>

#include "sim/smi/processes.h"

namespace tranche::sim::smi {
namespace {

using nvml::kSuccess;

constexpr char kEdge[] =
    "+-----------------------------------------------------------------------------------------+";
constexpr char kInnerEdge[] =
    "+-----------------------------------------+------------------------+----------------------+";

std::string OrNone(nvml::Return got, unsigned number, const char* unit) {
  return got == kSuccess ? std::to_string(number) + unit : "N/A";
}

std::string Mib(unsigned long long bytes) { return std::to_string(bytes >> 20) + "MiB"; }

void PrintHead(const Table& table) {
  char version[nvml::kVersionBufferSize] = "";
  int cuda = 0;
  table.nvmlSystemGetDriverVersion(version, sizeof version);
  table.nvmlSystemGetCudaDriverVersion_v2(&cuda);
  char cuda_text[16];
  std::snprintf(cuda_text, sizeof cuda_text, "%d.%d", cuda / 1000, cuda % 1000 / 10);
  const std::time_t now = std::time(nullptr);
  char date[64] = "";
  tm local{};
  std::strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", localtime_r(&now, &local));
  std::printf("%s  (simulated node)\n%s\n", date, kEdge);
  std::printf("| NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %-8s |\n", version, version,
              cuda_text);
  std::puts(
      "|-----------------------------------------+------------------------+----------------------+"
      "\n"
      "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC "
      "|\n"
      "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. "
      "|\n"
      "|                                         |                        |               MIG M. "
      "|\n"
      "|=========================================+========================+======================"
      "|");
}

std::string MigText(const Table& table, nvml::Device device) {
  unsigned current = 0;
  unsigned pending = 0;
  if (table.nvmlDeviceGetMigMode(device, &current, &pending) != kSuccess) return "N/A";
  return current != 0 ? "Enabled" : "Disabled";
}

std::string EccText(const Table& table, nvml::Device device) {
  unsigned long long errors = 0;
  const nvml::Return got =
      table.nvmlDeviceGetTotalEccErrors(device, nvml::kEccUncorrected, nvml::kEccVolatile, &errors);
  return got == kSuccess ? std::to_string(errors) : "N/A";
}

std::string PowerText(const Table& table, nvml::Device device) {
  unsigned used = 0;
  unsigned limit = 0;
  if (table.nvmlDeviceGetPowerUsage(device, &used) != kSuccess) return "N/A";
  table.nvmlDeviceGetEnforcedPowerLimit(device, &limit);
  return std::to_string(used / 1000) + "W / " + std::to_string(limit / 1000) + "W";
}

void PrintGpu(const Table& table, unsigned index, nvml::Device device) {
  char name[nvml::kNameBufferSize] = "";
  table.nvmlDeviceGetName(device, name, sizeof name);
  nvml::PciInfo pci{};
  table.nvmlDeviceGetPciInfo_v3(device, &pci);
  nvml::EnableState persistence{};
  table.nvmlDeviceGetPersistenceMode(device, &persistence);
  nvml::MemoryV2 memory{};
  memory.version = nvml::StructVersion<nvml::MemoryV2>(2);
  const bool has_memory = table.nvmlDeviceGetMemoryInfo_v2(device, &memory) == kSuccess;
  nvml::Utilization rates{};
  const nvml::Return rated = table.nvmlDeviceGetUtilizationRates(device, &rates);
  unsigned fan = 0;
  const nvml::Return fanned = table.nvmlDeviceGetFanSpeed(device, &fan);
  unsigned celsius = 0;
  const nvml::Return felt = table.nvmlDeviceGetTemperature(device, nvml::kTemperatureGpu, &celsius);
  nvml::PState state{};
  table.nvmlDeviceGetPerformanceState(device, &state);
  std::printf("| %3u  %-27.27s %6s | %18s %3s | %20s |\n", index, name,
              persistence == nvml::kEnabled ? "On" : "Off", pci.bus_id, "Off",
              EccText(table, device).c_str());
  std::printf("| %3s  %4s   %-4s %21s | %22s | %8s %11s |\n", OrNone(fanned, fan, "%").c_str(),
              OrNone(felt, celsius, "C").c_str(), ("P" + std::to_string(unsigned{state})).c_str(),
              PowerText(table, device).c_str(),
              has_memory ? (Mib(memory.used) + " / " + Mib(memory.total)).c_str() : "N/A",
              OrNone(rated, rates.gpu, "%").c_str(), "Default");
  std::printf("| %39s | %22s | %20s |\n%s\n", "", "", MigText(table, device).c_str(), kInnerEdge);
}

std::string InstanceText(unsigned id) { return id == 0xFFFFFFFF ? "N/A" : std::to_string(id); }

// The end of a long path says more than its beginning.
std::string Shortened(const std::string& text, std::size_t most) {
  return text.size() <= most ? text : "..." + text.substr(text.size() - (most - 3));
}

void PrintProcesses(const Table& table, const std::string& only) {
  std::printf("\n%s\n", kEdge);
  std::puts(
      "| Processes:                                                                              "
      "|\n"
      "|  GPU   GI   CI        PID   Type   Process name                              GPU Memory "
      "|\n"
      "|        ID   ID                                                               Usage      "
      "|\n"
      "|========================================================================================="
      "|");
  unsigned shown = 0;
  ForEachGpu(table, only, [&](unsigned index, nvml::Device device) {
    for (const Process& process : AllProcesses(table, device)) {
      ++shown;
      std::printf("| %4u  %4s %4s  %9u      %c   %-38s %12s |\n", index,
                  InstanceText(process.gpu_instance).c_str(),
                  InstanceText(process.compute_instance).c_str(), process.pid, process.type,
                  Shortened(ProcessName(table, process.pid), 38).c_str(),
                  Mib(process.memory_bytes).c_str());
    }
  });
  if (shown == 0) std::printf("|  %-86s |\n", "No running processes found");
  std::puts(kEdge);
}

}  // namespace

int PrintSummary(const Table& table, const std::string& only) {
  PrintHead(table);
  unsigned shown = 0;
  const int failed = ForEachGpu(table, only, [&](unsigned index, nvml::Device device) {
    PrintGpu(table, index, device);
    ++shown;
  });
  if (shown > 0) PrintProcesses(table, only);
  return failed;
}

int PrintList(const Table& table, const std::string& only) {
  return ForEachGpu(table, only, [&](unsigned index, nvml::Device device) {
    char name[nvml::kNameBufferSize] = "";
    char uuid[nvml::kUuidBufferSize] = "";
    table.nvmlDeviceGetName(device, name, sizeof name);
    table.nvmlDeviceGetUUID(device, uuid, sizeof uuid);
    std::printf("GPU %u: %s (UUID: %s)\n", index, name, uuid);
    nvml::Device mig = nullptr;
    for (unsigned i = 0; table.nvmlDeviceGetMigDeviceHandleByIndex(device, i, &mig) == kSuccess;
         ++i) {
      table.nvmlDeviceGetName(mig, name, sizeof name);
      table.nvmlDeviceGetUUID(mig, uuid, sizeof uuid);
      const char* profile = std::strstr(name, " MIG ");
      std::printf("  MIG %-12s Device %2u: (UUID: %s)\n", profile == nullptr ? "" : profile + 5, i,
                  uuid);
    }
  });
}

}  // namespace tranche::sim::smi
