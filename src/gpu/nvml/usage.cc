#include "gpu/nvml/usage.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "gpu/nvml/strings.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;
using base::Status;

// Counts come from the library and size buffers: none is believed beyond this. Lists grow between
// the question how long they are and the list, so there is some room to spare.
constexpr unsigned kMostEntries = 16384;
constexpr unsigned kRoom = 128;
constexpr int kTries = 4;

std::optional<unsigned> Instance(unsigned id) {
  if (id == kNoInstance) return std::nullopt;
  return id;
}

class UsageReader {
 public:
  UsageReader(const Table& table, Device device, DeviceUsage& out)
      : table_(table), device_(device), out_(out) {}

  void Read(const UsageQuery& query) {
    out_.memory = ReadMemory(device_);
    ReadUtilisation();
    ReadSensors();
    ReadErrors();
    for (const std::string& uuid : query.mig_uuids) ReadMig(uuid);
    ReadProcesses();
    // The samples of processes first: then those of the GPU cover at least the same time.
    ReadProcessSamples(query.process_samples_after_us);
    ReadBusySamples(query.busy_samples_after_us);
  }

 private:
  // Whether the call has brought its figure.
  bool Took(Return result, std::string_view call) {
    const Status status = ReturnStatus(result, call);
    if (status.ok()) return true;
    out_.unread.push_back(
        {.call = std::string(call), .code = status.code(), .error = status.message()});
    return false;
  }

  std::optional<MemoryUse> ReadMemory(Device device) {
    MemoryV2 apart{};
    apart.version = StructVersion<MemoryV2>(2);
    if (Call(table_.nvmlDeviceGetMemoryInfo_v2, device, &apart) == nvml::kSuccess) {
      return MemoryUse{
          .total = apart.total, .used = apart.used, .free = apart.free, .reserved = apart.reserved};
    }
    Memory memory{};
    if (!Took(Call(table_.nvmlDeviceGetMemoryInfo, device, &memory), "nvmlDeviceGetMemoryInfo")) {
      return std::nullopt;
    }
    return MemoryUse{
        .total = memory.total, .used = memory.used, .free = memory.free, .reserved = {}};
  }

  void ReadUtilisation() {
    Readings& readings = out_.readings;
    Utilization busy{};
    if (Took(Call(table_.nvmlDeviceGetUtilizationRates, device_, &busy),
             "nvmlDeviceGetUtilizationRates")) {
      readings.gpu_percent = busy.gpu;
      readings.memory_percent = busy.memory;
    }
    unsigned percent = 0;
    unsigned period = 0;
    if (Took(Call(table_.nvmlDeviceGetEncoderUtilization, device_, &percent, &period),
             "nvmlDeviceGetEncoderUtilization")) {
      readings.encoder_percent = percent;
    }
    if (Took(Call(table_.nvmlDeviceGetDecoderUtilization, device_, &percent, &period),
             "nvmlDeviceGetDecoderUtilization")) {
      readings.decoder_percent = percent;
    }
  }

  void ReadSensors() {
    Readings& readings = out_.readings;
    unsigned value = 0;
    if (Took(Call(table_.nvmlDeviceGetPowerUsage, device_, &value), "nvmlDeviceGetPowerUsage")) {
      readings.power_milliwatts = value;
    }
    if (Took(Call(table_.nvmlDeviceGetEnforcedPowerLimit, device_, &value),
             "nvmlDeviceGetEnforcedPowerLimit")) {
      readings.power_limit_milliwatts = value;
    }
    unsigned long long energy = 0;
    if (Took(Call(table_.nvmlDeviceGetTotalEnergyConsumption, device_, &energy),
             "nvmlDeviceGetTotalEnergyConsumption")) {
      readings.energy_millijoules = energy;
    }
    if (Took(Call(table_.nvmlDeviceGetTemperature, device_, kTemperatureGpu, &value),
             "nvmlDeviceGetTemperature")) {
      readings.celsius = value;
    }
    if (Took(Call(table_.nvmlDeviceGetClockInfo, device_, kClockSm, &value),
             "nvmlDeviceGetClockInfo")) {
      readings.sm_mhz = value;
    }
    if (Took(Call(table_.nvmlDeviceGetClockInfo, device_, kClockMemory, &value),
             "nvmlDeviceGetClockInfo")) {
      readings.memory_mhz = value;
    }
    FieldValue field{};
    field.field_id = kFieldMemoryTemperature;
    Return result = Call(table_.nvmlDeviceGetFieldValues, device_, 1, &field);
    if (result == nvml::kSuccess) result = field.status;
    if (Took(result, "nvmlDeviceGetFieldValues") && field.value_type == kValueUnsigned) {
      readings.memory_celsius = field.value.ui;
    }
  }

  void ReadErrors() {
    unsigned replays = 0;
    if (Took(Call(table_.nvmlDeviceGetPcieReplayCounter, device_, &replays),
             "nvmlDeviceGetPcieReplayCounter")) {
      out_.readings.pcie_replays = replays;
    }
    RemappedRows rows;
    unsigned pending = 0;
    unsigned failed = 0;
    if (Took(Call(table_.nvmlDeviceGetRemappedRows, device_, &rows.correctable, &rows.uncorrectable,
                  &pending, &failed),
             "nvmlDeviceGetRemappedRows")) {
      rows.failed = failed != 0;
      out_.readings.remapped_rows = rows;
    }
  }

  void ReadMig(const std::string& uuid) {
    Device mig = nullptr;
    MigUsage usage{.uuid = uuid, .memory = {}};
    if (Took(Call(table_.nvmlDeviceGetHandleByUUID, uuid.c_str(), &mig),
             "nvmlDeviceGetHandleByUUID")) {
      usage.memory = ReadMemory(mig);
    }
    out_.mig.push_back(std::move(usage));
  }

  // Calls `list(count, entries)` with ever more room until all fits.
  template <class Entry, class ListCall>
  Return ReadList(std::vector<Entry>& entries, const ListCall& list) {
    unsigned room = kRoom;
    for (int i = 0; i < kTries; ++i) {
      entries.assign(room, Entry{});
      unsigned count = room;
      const Return result = list(&count, entries.data());
      if (result == nvml::kInsufficientSize) {
        if (room == kMostEntries) return result;
        room = std::min(std::max(count, room) + kRoom, kMostEntries);
        continue;
      }
      entries.resize(result == nvml::kSuccess ? std::min(count, room) : 0);
      return result;
    }
    return nvml::kInsufficientSize;
  }

  using ByPlace = std::map<std::pair<unsigned, unsigned>, RunningProcess>;

  // One list of processes. Those that compute and draw stand in both, with all their memory in
  // each.
  template <class Function, class OldFunction>
  bool AddProcesses(Function* newest, Function* second, OldFunction* oldest, std::string_view call,
                    ByPlace& found) {
    if (newest == nullptr && second == nullptr) {
      std::vector<ProcessInfoV1> old;
      if (!Took(ReadList(old,
                         [&](unsigned* count, ProcessInfoV1* entries) {
                           return Call(oldest, device_, count, entries);
                         }),
                call)) {
        return false;
      }
      for (const ProcessInfoV1& info : old) {
        AddProcess({info.pid, info.used_gpu_memory, kNoInstance, kNoInstance}, found);
      }
      return true;
    }
    std::vector<ProcessInfo> infos;
    if (!Took(ReadList(infos,
                       [&](unsigned* count, ProcessInfo* entries) {
                         return CallNewest(newest, second, device_, count, entries);
                       }),
              call)) {
      return false;
    }
    for (const ProcessInfo& info : infos) AddProcess(info, found);
    return true;
  }

  static void AddProcess(const ProcessInfo& info, ByPlace& found) {
    RunningProcess& process = found[{info.pid, info.gpu_instance_id}];
    process.pid = info.pid;
    process.gpu_instance = Instance(info.gpu_instance_id);
    process.compute_instance = Instance(info.compute_instance_id);
    if (info.used_gpu_memory == kMemoryNotAvailable) return;
    process.memory_bytes =
        std::max<std::uint64_t>(process.memory_bytes.value_or(0), info.used_gpu_memory);
  }

  void ReadProcesses() {
    ByPlace found;
    bool any = AddProcesses(table_.nvmlDeviceGetComputeRunningProcesses_v3,
                            table_.nvmlDeviceGetComputeRunningProcesses_v2,
                            table_.nvmlDeviceGetComputeRunningProcesses,
                            "nvmlDeviceGetComputeRunningProcesses", found);
    any = AddProcesses(table_.nvmlDeviceGetGraphicsRunningProcesses_v3,
                       table_.nvmlDeviceGetGraphicsRunningProcesses_v2,
                       table_.nvmlDeviceGetGraphicsRunningProcesses,
                       "nvmlDeviceGetGraphicsRunningProcesses", found) ||
          any;
    any = AddProcesses(table_.nvmlDeviceGetMPSComputeRunningProcesses_v3,
                       table_.nvmlDeviceGetMPSComputeRunningProcesses_v2,
                       table_.nvmlDeviceGetMPSComputeRunningProcesses,
                       "nvmlDeviceGetMPSComputeRunningProcesses", found) ||
          any;
    if (!any) return;
    out_.processes.emplace();
    for (auto& [place, process] : found) out_.processes->push_back(process);
  }

  void ReadProcessSamples(std::uint64_t after_us) {
    std::vector<ProcessUtilizationSample> samples;
    const Return result =
        ReadList(samples, [&](unsigned* count, ProcessUtilizationSample* entries) {
          return Call(table_.nvmlDeviceGetProcessUtilization, device_, entries, count,
                      static_cast<unsigned long long>(after_us));
        });
    // Not found is the word for: nothing has computed since.
    if (result != nvml::kNotFound && !Took(result, "nvmlDeviceGetProcessUtilization")) return;
    out_.process_samples.emplace();
    for (const ProcessUtilizationSample& sample : samples) {
      if (sample.time_stamp_us <= after_us) continue;
      out_.process_samples->push_back({.pid = sample.pid,
                                       .time_us = sample.time_stamp_us,
                                       .sm_percent = std::min(sample.sm_util, 100U)});
    }
  }

  void ReadBusySamples(std::uint64_t after_us) {
    std::vector<Sample> samples;
    ValueType type = kValueUnsigned;
    const Return result = ReadList(samples, [&](unsigned* count, Sample* entries) {
      return Call(table_.nvmlDeviceGetSamples, device_, kSampleGpuUtilization,
                  static_cast<unsigned long long>(after_us), &type, count, entries);
    });
    if (result != nvml::kNotFound && !Took(result, "nvmlDeviceGetSamples")) return;
    if (!samples.empty() && type != kValueUnsigned) {
      out_.unread.push_back({.call = "nvmlDeviceGetSamples",
                             .code = Code::kInternal,
                             .error = "nvmlDeviceGetSamples: values of an unknown type"});
      return;
    }
    out_.busy_samples.emplace();
    for (const Sample& sample : samples) {
      if (sample.time_stamp_us <= after_us) continue;
      out_.busy_samples->push_back(
          {.time_us = sample.time_stamp_us, .percent = std::min(sample.value.ui, 100U)});
    }
    std::ranges::sort(*out_.busy_samples, {}, &BusySample::time_us);
  }

  const Table& table_;
  Device device_;
  DeviceUsage& out_;
};

}  // namespace

DeviceUsage ReadNvmlUsage(const Table& table, Device device, const UsageQuery& query) {
  DeviceUsage usage;
  usage.uuid = query.uuid;
  UsageReader(table, device, usage).Read(query);
  return usage;
}

}  // namespace tranche::gpu::nvml
