#include "sim/smi/query.h"

#include <ctime>

#include "sim/smi/csv.h"
#include "sim/smi/processes.h"

namespace tranche::sim::smi {
namespace {

using nvml::kSuccess;
using Value = std::optional<std::string>;

struct GpuRow {
  const Table* table;
  unsigned index;
  nvml::Device device;
};

std::string Mib(unsigned long long bytes) { return std::to_string(bytes >> 20); }

std::string Watts(unsigned milliwatts) {
  char text[32];
  std::snprintf(text, sizeof text, "%u.%02u", milliwatts / 1000, milliwatts % 1000 / 10);
  return text;
}

std::string Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%Y/%m/%d %H:%M:%S", &local);
  std::snprintf(text + length, sizeof text - length, ".%03ld", now.tv_nsec / 1'000'000);
  return text;
}

const char* Switch(nvml::EnableState state) {
  return state == nvml::kEnabled ? "Enabled" : "Disabled";
}

// A text of NVML's: get(device, buffer, length).
template <typename Get>
auto Text(Get get) {
  return [get](const GpuRow& row) -> Value {
    char buffer[nvml::kNameBufferSize] = "";
    if ((row.table->*get)(row.device, buffer, sizeof buffer) != kSuccess) return std::nullopt;
    return buffer;
  };
}

// A number: get(device, &number), and how it is written.
template <typename Number = unsigned, typename Get, typename Write>
auto Read(Get get, Write write) {
  return [get, write](const GpuRow& row) -> Value {
    Number number{};
    if ((row.table->*get)(row.device, &number) != kSuccess) return std::nullopt;
    return std::string(write(number));
  };
}

auto Number(nvml::Return (*Table::*get)(nvml::Device, unsigned*)) {
  return Read(get, [](unsigned number) { return std::to_string(number); });
}

auto Memory(unsigned long long nvml::MemoryV2::*member) {
  return [member](const GpuRow& row) -> Value {
    nvml::MemoryV2 memory{};
    memory.version = nvml::StructVersion<nvml::MemoryV2>(2);
    if (row.table->nvmlDeviceGetMemoryInfo_v2(row.device, &memory) != kSuccess) {
      return std::nullopt;
    }
    return Mib(memory.*member);
  };
}

auto Utilization(unsigned nvml::Utilization::*member) {
  return Read<nvml::Utilization>(
      &Table::nvmlDeviceGetUtilizationRates,
      [member](const nvml::Utilization& rates) { return std::to_string(rates.*member); });
}

auto Clock(nvml::ClockType type,
           nvml::Return (*Table::*get)(nvml::Device, nvml::ClockType, unsigned*)) {
  return [type, get](const GpuRow& row) -> Value {
    unsigned mhz = 0;
    if ((row.table->*get)(row.device, type, &mhz) != kSuccess) return std::nullopt;
    return std::to_string(mhz);
  };
}

auto EccErrors(nvml::EccErrorType type, nvml::EccCounterType counter) {
  return [type, counter](const GpuRow& row) -> Value {
    unsigned long long count = 0;
    if (row.table->nvmlDeviceGetTotalEccErrors(row.device, type, counter, &count) != kSuccess) {
      return std::nullopt;
    }
    return std::to_string(count);
  };
}

Value BusId(const GpuRow& row) {
  nvml::PciInfo pci{};
  if (row.table->nvmlDeviceGetPciInfo_v3(row.device, &pci) != kSuccess) return std::nullopt;
  return pci.bus_id;
}

Value Temperature(const GpuRow& row) {
  unsigned celsius = 0;
  if (row.table->nvmlDeviceGetTemperature(row.device, nvml::kTemperatureGpu, &celsius) !=
      kSuccess) {
    return std::nullopt;
  }
  return std::to_string(celsius);
}

Value DriverVersion(const GpuRow& row) {
  char version[nvml::kVersionBufferSize] = "";
  row.table->nvmlSystemGetDriverVersion(version, sizeof version);
  return version;
}

Value Count(const GpuRow& row) {
  unsigned count = 0;
  row.table->nvmlDeviceGetCount_v2(&count);
  return std::to_string(count);
}

Value ComputeCapability(const GpuRow& row) {
  int major = 0;
  int minor = 0;
  if (row.table->nvmlDeviceGetCudaComputeCapability(row.device, &major, &minor) != kSuccess) {
    return std::nullopt;
  }
  return std::to_string(major) + "." + std::to_string(minor);
}

Value MigMode(const GpuRow& row) {
  unsigned current = 0;
  unsigned pending = 0;
  if (row.table->nvmlDeviceGetMigMode(row.device, &current, &pending) != kSuccess) {
    return std::nullopt;
  }
  return current != 0 ? "Enabled" : "Disabled";
}

Value EccMode(const GpuRow& row) {
  nvml::EnableState current{};
  nvml::EnableState pending{};
  if (row.table->nvmlDeviceGetEccMode(row.device, &current, &pending) != kSuccess) {
    return std::nullopt;
  }
  return Switch(current);
}

const char* ComputeModeName(nvml::ComputeMode mode) {
  if (mode == nvml::kComputeProhibited) return "Prohibited";
  return mode == nvml::kComputeExclusiveProcess ? "Exclusive_Process" : "Default";
}

std::vector<Column<GpuRow>> WhoItIs() {
  return {
      {{"timestamp"}, "", [](const GpuRow&) -> Value { return Now(); }},
      {{"count"}, "", Count},
      {{"index"}, "", [](const GpuRow& row) -> Value { return std::to_string(row.index); }},
      {{"name", "gpu_name"}, "", Text(&Table::nvmlDeviceGetName)},
      {{"uuid", "gpu_uuid"}, "", Text(&Table::nvmlDeviceGetUUID)},
      {{"serial", "gpu_serial"}, "", Text(&Table::nvmlDeviceGetSerial)},
      {{"pci.bus_id", "gpu_bus_id"}, "", BusId},
      {{"vbios_version"}, "", Text(&Table::nvmlDeviceGetVbiosVersion)},
      {{"driver_version"}, "", DriverVersion},
      {{"compute_cap"}, "", ComputeCapability},
      {{"mig.mode.current"}, "", MigMode},
      {{"persistence_mode"},
       "",
       Read<nvml::EnableState>(&Table::nvmlDeviceGetPersistenceMode, Switch)},
      {{"compute_mode"},
       "",
       Read<nvml::ComputeMode>(&Table::nvmlDeviceGetComputeMode, ComputeModeName)},
      {{"accounting.mode"},
       "",
       Read<nvml::EnableState>(&Table::nvmlDeviceGetAccountingMode, Switch)},
      {{"accounting.buffer_size"}, "", Number(&Table::nvmlDeviceGetAccountingBufferSize)},
      {{"ecc.mode.current"}, "", EccMode},
      {{"pcie.link.gen.current", "pcie.link.gen.gpucurrent"},
       "",
       Number(&Table::nvmlDeviceGetCurrPcieLinkGeneration)},
      {{"pcie.link.width.current"}, "", Number(&Table::nvmlDeviceGetCurrPcieLinkWidth)},
  };
}

std::vector<Column<GpuRow>> WhatItDoes() {
  return {
      {{"memory.total"}, "MiB", Memory(&nvml::MemoryV2::total)},
      {{"memory.reserved"}, "MiB", Memory(&nvml::MemoryV2::reserved)},
      {{"memory.used"}, "MiB", Memory(&nvml::MemoryV2::used)},
      {{"memory.free"}, "MiB", Memory(&nvml::MemoryV2::free)},
      {{"utilization.gpu"}, "%", Utilization(&nvml::Utilization::gpu)},
      {{"utilization.memory"}, "%", Utilization(&nvml::Utilization::memory)},
      {{"temperature.gpu"}, "", Temperature},
      {{"fan.speed"}, "%", Number(&Table::nvmlDeviceGetFanSpeed)},
      {{"pstate"},
       "",
       Read<nvml::PState>(
           &Table::nvmlDeviceGetPerformanceState,
           [](nvml::PState state) { return "P" + std::to_string(unsigned{state}); })},
      {{"power.draw"}, "W", Read(&Table::nvmlDeviceGetPowerUsage, Watts)},
      {{"power.limit"}, "W", Read(&Table::nvmlDeviceGetPowerManagementLimit, Watts)},
      {{"clocks.sm", "clocks.current.sm"},
       "MHz",
       Clock(nvml::kClockSm, &Table::nvmlDeviceGetClockInfo)},
      {{"clocks.mem", "clocks.current.memory"},
       "MHz",
       Clock(nvml::kClockMemory, &Table::nvmlDeviceGetClockInfo)},
      {{"clocks.max.sm"}, "MHz", Clock(nvml::kClockSm, &Table::nvmlDeviceGetMaxClockInfo)},
      {{"clocks.max.mem", "clocks.max.memory"},
       "MHz",
       Clock(nvml::kClockMemory, &Table::nvmlDeviceGetMaxClockInfo)},
      {{"ecc.errors.corrected.volatile.total"},
       "",
       EccErrors(nvml::kEccCorrected, nvml::kEccVolatile)},
      {{"ecc.errors.uncorrected.volatile.total"},
       "",
       EccErrors(nvml::kEccUncorrected, nvml::kEccVolatile)},
      {{"ecc.errors.corrected.aggregate.total"},
       "",
       EccErrors(nvml::kEccCorrected, nvml::kEccAggregate)},
      {{"ecc.errors.uncorrected.aggregate.total"},
       "",
       EccErrors(nvml::kEccUncorrected, nvml::kEccAggregate)},
  };
}

std::vector<Column<GpuRow>> GpuColumns() {
  std::vector<Column<GpuRow>> columns = WhoItIs();
  for (Column<GpuRow>& column : WhatItDoes()) columns.push_back(std::move(column));
  return columns;
}

// What is said of an application, beside the GPU that it is on.
template <typename Application>
struct ApplicationRow {
  GpuRow gpu;
  const Application* application;
};

template <typename Application>
std::vector<Column<ApplicationRow<Application>>> GpuOfApplication() {
  std::vector<Column<ApplicationRow<Application>>> columns;
  for (const Column<GpuRow>& column : WhoItIs()) {
    columns.push_back({column.names, column.unit,
                       [value = column.value](const auto& row) { return value(row.gpu); }});
    // Here its name needs the prefix.
    if (columns.back().names.size() > 1) columns.back().names.erase(columns.back().names.begin());
  }
  return columns;
}

template <typename Application, typename List>
int QueryApplications(const Table& table, const Query& query,
                      std::vector<Column<ApplicationRow<Application>>> columns, List list) {
  Csv<ApplicationRow<Application>> csv;
  if (!csv.Choose(columns, query.fields, query.format)) return 2;
  csv.PrintHeader();
  return ForEachGpu(table, query.only, [&](unsigned index, nvml::Device device) {
    for (const Application& application : list(table, device)) {
      csv.Print({{&table, index, device}, &application});
    }
  });
}

}  // namespace

int QueryGpus(const Table& table, const Query& query) {
  Csv<GpuRow> csv;
  if (!csv.Choose(GpuColumns(), query.fields, query.format)) return 2;
  csv.PrintHeader();
  return ForEachGpu(table, query.only, [&](unsigned index, nvml::Device device) {
    csv.Print({&table, index, device});
  });
}

int QueryComputeApplications(const Table& table, const Query& query) {
  using Row = ApplicationRow<Process>;
  auto columns = GpuOfApplication<Process>();
  columns.push_back(
      {{"pid"}, "", [](const Row& row) -> Value { return std::to_string(row.application->pid); }});
  columns.push_back({{"process_name", "name"}, "", [](const Row& row) -> Value {
                       return ProcessName(*row.gpu.table, row.application->pid);
                     }});
  columns.push_back({{"used_gpu_memory", "used_memory"}, "MiB", [](const Row& row) -> Value {
                       return Mib(row.application->memory_bytes);
                     }});
  return QueryApplications<Process>(table, query, std::move(columns), ComputeProcesses);
}

int QueryAccountedApplications(const Table& table, const Query& query) {
  using Row = ApplicationRow<Account>;
  const auto stat = [](auto member) {
    return [member](const Row& row) -> Value {
      return std::to_string(row.application->stats.*member);
    };
  };
  const auto most_memory = [](const Row& row) -> Value {
    return Mib(row.application->stats.max_memory_usage);
  };
  using Stats = nvml::AccountingStats;
  auto columns = GpuOfApplication<Account>();
  columns.push_back(
      {{"pid"}, "", [](const Row& row) -> Value { return std::to_string(row.application->pid); }});
  columns.push_back({{"gpu_utilization", "gpu_util"}, "%", stat(&Stats::gpu_utilization)});
  columns.push_back({{"mem_utilization", "mem_util"}, "%", stat(&Stats::memory_utilization)});
  columns.push_back({{"max_memory_usage", "max_mem"}, "MiB", most_memory});
  columns.push_back({{"time"}, "ms", stat(&Stats::time_ms)});
  return QueryApplications<Account>(table, query, std::move(columns), Accounts);
}

}  // namespace tranche::sim::smi
