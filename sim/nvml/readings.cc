// What a GPU is doing: utilisation, heat, power, clocks, links to the host.
#include <algorithm>
#include <climits>
#include <optional>

#include "sim/nvml/busy.h"
#include "sim/nvml/ecc.h"
#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuState;
using sim::nvml::BusyNow;
using sim::nvml::ClockAt;
using sim::nvml::GpuCall;
using sim::nvml::GpuValue;
using sim::nvml::Library;
using sim::nvml::PowerAt;

constexpr unsigned kSamplingPeriodUs = 167'000;
constexpr unsigned long long kReasonIdle = 0x1;  // nvmlClocksEventReasonGpuIdle

// A percent with its sampling period; not to be had of a GPU that is cut by MIG.
Return Percent(const char* name, Device device, unsigned* percent, unsigned* period,
               unsigned (*value)(const GpuState&)) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (percent == nullptr || period == nullptr) return kInvalidArgument;
    if (gpu.mig_enabled != 0) return kNotSupported;
    *percent = value(gpu);
    *period = kSamplingPeriodUs;
    return kSuccess;
  });
}

enum class Speed { kNow, kMost };

Return Clock(const char* name, Device device, ClockType type, unsigned* mhz, Speed speed) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (mhz == nullptr || type > kClockVideo) return kInvalidArgument;
    *mhz = speed == Speed::kMost ? gpu.max_clock_mhz[type] : ClockAt(gpu, type, BusyNow(gpu).gpu);
    return kSuccess;
  });
}

unsigned Power(const GpuState& gpu) { return PowerAt(gpu, BusyNow(gpu).gpu); }

unsigned long long Energy(const GpuState& gpu) {
  const std::uint64_t since = Library::Get().node().header.created_ns;
  const std::uint64_t now = sim::MonotonicNs();
  const std::uint64_t milliseconds = (now - std::min(since, now)) / 1'000'000;
  return milliseconds * Power(gpu) / 1000;
}

enum class Which { kCurrent, kSupported };

Return Reasons(const char* name, Device device, unsigned long long* reasons, Which which) {
  constexpr unsigned long long kAll = 0x1FF;
  return GpuValue(name, device, reasons, [&](const GpuState& gpu) {
    if (which == Which::kSupported) return kAll;
    return BusyNow(gpu).gpu == 0 ? kReasonIdle : 0ULL;
  });
}

Return State(const char* name, Device device, PState* state) {
  return GpuValue(name, device, state, [](const GpuState& gpu) {
    return gpu.fans > 0 && BusyNow(gpu).gpu == 0 ? kPState8 : kPState0;
  });
}

Return Off(const char* name, Device device, EnableState* mode) {
  return GpuValue(name, device, mode, [](const GpuState&) { return kDisabled; });
}

Return FanPercent(const char* name, Device device, unsigned fan, unsigned* percent) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (percent == nullptr) return kInvalidArgument;
    if (gpu.fans == 0) return kNotSupported;
    if (fan >= gpu.fans) return kInvalidArgument;
    *percent = gpu.fan_percent;
    return kSuccess;
  });
}

Return Celsius(const GpuState& gpu, TemperatureThreshold threshold, unsigned* celsius) {
  switch (threshold) {
    case kThresholdShutdown:
      *celsius = gpu.temperature_shutdown;
      return kSuccess;
    case kThresholdSlowdown:
      *celsius = gpu.temperature_slowdown;
      return kSuccess;
    case kThresholdMemMax:
    case kThresholdGpuMax:
      *celsius = gpu.temperature_slowdown - 5;
      return kSuccess;
  }
  return kNotSupported;
}

// A field of memory errors. False: it is none of those.
bool SetEccField(const GpuState& gpu, FieldValue* field) {
  const std::optional<unsigned long long> value = sim::nvml::EccField(gpu, field->field_id);
  if (!value) return false;
  field->value_type = kValueUnsignedLongLong;
  field->value.ull = *value;
  if (gpu.ecc == 0) field->status = kNotSupported;
  return true;
}

void SetField(const GpuState& gpu, FieldValue* field) {
  field->status = kSuccess;
  field->time_stamp_us = static_cast<long long>(sim::MonotonicNs() / 1000);
  field->latency_us = 0;
  field->value_type = kValueUnsigned;
  field->value.ull = 0;
  if (SetEccField(gpu, field)) return;
  const bool all_links = field->scope_id == UINT_MAX;
  switch (field->field_id) {
    case kFieldMemoryTemperature:
      field->value.ui = gpu.temperature + 4;
      return;
    case kFieldPowerAverage:
    case kFieldPowerInstant:
      field->value.ui = Power(gpu);
      return;
    case kFieldNvLinkCount:
      field->value.ui = gpu.nvlink_count;
      return;
    case kFieldPcieReplay:
      return;
    case kFieldTotalEnergy:
      field->value_type = kValueUnsignedLongLong;
      field->value.ull = Energy(gpu);
      return;
    case kFieldNvLinkDataTx:
    case kFieldNvLinkDataRx:
    case kFieldNvLinkRawTx:
    case kFieldNvLinkRawRx:
      field->value_type = kValueUnsignedLongLong;
      if (gpu.nvlink_count == 0) field->status = kNotSupported;
      if (!all_links && field->scope_id >= gpu.nvlink_count) field->status = kInvalidArgument;
      return;
    default:
      field->status = kNotSupported;
      return;
  }
}

}  // namespace

extern "C" {

Return nvmlDeviceGetEncoderUtilization(Device device, unsigned* percent, unsigned* period) {
  return Percent(__func__, device, percent, period,
                 [](const GpuState& gpu) { return gpu.encoder_percent; });
}
Return nvmlDeviceGetDecoderUtilization(Device device, unsigned* percent, unsigned* period) {
  return Percent(__func__, device, percent, period,
                 [](const GpuState& gpu) { return gpu.decoder_percent; });
}
Return nvmlDeviceGetJpgUtilization(Device device, unsigned* percent, unsigned* period) {
  return Percent(__func__, device, percent, period, [](const GpuState&) { return 0U; });
}
Return nvmlDeviceGetOfaUtilization(Device device, unsigned* percent, unsigned* period) {
  return Percent(__func__, device, percent, period, [](const GpuState&) { return 0U; });
}

Return nvmlDeviceGetTemperature(Device device, TemperatureSensor sensor, unsigned* celsius) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (celsius == nullptr || sensor != kTemperatureGpu) return kInvalidArgument;
    *celsius = gpu.temperature;
    return kSuccess;
  });
}

Return nvmlDeviceGetTemperatureV(Device device, Temperature* temperature) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (temperature == nullptr || temperature->sensor != kTemperatureGpu) return kInvalidArgument;
    if (temperature->version != StructVersion<Temperature>(1)) return kArgumentVersionMismatch;
    temperature->temperature = static_cast<int>(gpu.temperature);
    return kSuccess;
  });
}

Return nvmlDeviceGetTemperatureThreshold(Device device, TemperatureThreshold threshold,
                                         unsigned* celsius) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    return celsius == nullptr ? kInvalidArgument : Celsius(gpu, threshold, celsius);
  });
}

Return nvmlDeviceGetFanSpeed(Device device, unsigned* percent) {
  return FanPercent(__func__, device, 0, percent);
}
Return nvmlDeviceGetFanSpeed_v2(Device device, unsigned fan, unsigned* percent) {
  return FanPercent(__func__, device, fan, percent);
}
Return nvmlDeviceGetNumFans(Device device, unsigned* count) {
  return GpuValue(__func__, device, count, [](const GpuState& gpu) { return gpu.fans; });
}

Return nvmlDeviceGetPowerUsage(Device device, unsigned* milliwatts) {
  return GpuValue(__func__, device, milliwatts, Power);
}
Return nvmlDeviceGetPowerManagementMode(Device device, EnableState* mode) {
  return GpuValue(__func__, device, mode, [](const GpuState&) { return kEnabled; });
}
Return nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned* milliwatts) {
  return GpuValue(__func__, device, milliwatts,
                  [](const GpuState& gpu) { return gpu.power_limit_milliwatts; });
}
Return nvmlDeviceGetPowerManagementLimit(Device device, unsigned* milliwatts) {
  return GpuValue(__func__, device, milliwatts,
                  [](const GpuState& gpu) { return gpu.power_limit_milliwatts; });
}
Return nvmlDeviceGetPowerManagementDefaultLimit(Device device, unsigned* milliwatts) {
  return GpuValue(__func__, device, milliwatts,
                  [](const GpuState& gpu) { return gpu.power_limit_milliwatts; });
}
Return nvmlDeviceGetPowerManagementLimitConstraints(Device device, unsigned* least,
                                                    unsigned* most) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (least == nullptr || most == nullptr) return kInvalidArgument;
    *least = gpu.power_min_milliwatts;
    *most = gpu.power_limit_milliwatts;
    return kSuccess;
  });
}
Return nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long* millijoules) {
  return GpuValue(__func__, device, millijoules, Energy);
}

Return nvmlDeviceGetClock(Device device, ClockType type, ClockId id, unsigned* mhz) {
  return Clock(__func__, device, type, mhz, id == kClockCurrent ? Speed::kNow : Speed::kMost);
}
Return nvmlDeviceGetClockInfo(Device device, ClockType type, unsigned* mhz) {
  return Clock(__func__, device, type, mhz, Speed::kNow);
}
Return nvmlDeviceGetMaxClockInfo(Device device, ClockType type, unsigned* mhz) {
  return Clock(__func__, device, type, mhz, Speed::kMost);
}
Return nvmlDeviceGetApplicationsClock(Device device, ClockType type, unsigned* mhz) {
  return Clock(__func__, device, type, mhz, Speed::kMost);
}
Return nvmlDeviceGetDefaultApplicationsClock(Device device, ClockType type, unsigned* mhz) {
  return Clock(__func__, device, type, mhz, Speed::kMost);
}

Return nvmlDeviceGetPerformanceState(Device device, PState* state) {
  return State(__func__, device, state);
}
Return nvmlDeviceGetPowerState(Device device, PState* state) {
  return State(__func__, device, state);
}

Return nvmlDeviceGetCurrentClocksThrottleReasons(Device device, unsigned long long* reasons) {
  return Reasons(__func__, device, reasons, Which::kCurrent);
}
Return nvmlDeviceGetCurrentClocksEventReasons(Device device, unsigned long long* reasons) {
  return Reasons(__func__, device, reasons, Which::kCurrent);
}
Return nvmlDeviceGetSupportedClocksThrottleReasons(Device device, unsigned long long* reasons) {
  return Reasons(__func__, device, reasons, Which::kSupported);
}
Return nvmlDeviceGetSupportedClocksEventReasons(Device device, unsigned long long* reasons) {
  return Reasons(__func__, device, reasons, Which::kSupported);
}

Return nvmlDeviceGetPcieThroughput(Device device, PcieCounter, unsigned* kib) {
  return GpuValue(__func__, device, kib, [](const GpuState&) { return 0; });
}
Return nvmlDeviceGetPcieReplayCounter(Device device, unsigned* count) {
  return GpuValue(__func__, device, count, [](const GpuState&) { return 0; });
}
Return nvmlDeviceGetCurrPcieLinkGeneration(Device device, unsigned* generation) {
  return GpuValue(__func__, device, generation,
                  [](const GpuState& gpu) { return gpu.pcie_generation; });
}
Return nvmlDeviceGetMaxPcieLinkGeneration(Device device, unsigned* generation) {
  return GpuValue(__func__, device, generation,
                  [](const GpuState& gpu) { return gpu.pcie_generation; });
}
Return nvmlDeviceGetGpuMaxPcieLinkGeneration(Device device, unsigned* generation) {
  return GpuValue(__func__, device, generation,
                  [](const GpuState& gpu) { return gpu.pcie_generation; });
}
Return nvmlDeviceGetCurrPcieLinkWidth(Device device, unsigned* width) {
  return GpuValue(__func__, device, width, [](const GpuState& gpu) { return gpu.pcie_width; });
}
Return nvmlDeviceGetMaxPcieLinkWidth(Device device, unsigned* width) {
  return GpuValue(__func__, device, width, [](const GpuState& gpu) { return gpu.pcie_width; });
}

Return nvmlDeviceGetPersistenceMode(Device device, EnableState* mode) {
  return GpuValue(__func__, device, mode, [](const GpuState&) { return kEnabled; });
}
Return nvmlDeviceGetDisplayMode(Device device, EnableState* mode) {
  return Off(__func__, device, mode);
}
Return nvmlDeviceGetDisplayActive(Device device, EnableState* mode) {
  return Off(__func__, device, mode);
}
Return nvmlDeviceGetComputeMode(Device device, ComputeMode* mode) {
  return GpuValue(__func__, device, mode, [](const GpuState&) { return kComputeDefault; });
}

Return nvmlDeviceGetFieldValues(Device device, int count, FieldValue* values) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (values == nullptr || count <= 0) return kInvalidArgument;
    for (int i = 0; i < count; ++i) SetField(gpu, &values[i]);
    return kSuccess;
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
