// Utilisation over periods of a sixth of a second.
#include <algorithm>
#include <vector>

#include "sim/nvml/busy.h"
#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuState;
using sim::nvml::Busy;
using sim::nvml::BusyNow;
using sim::nvml::BusyPeriod;
using sim::nvml::BusyPeriods;
using sim::nvml::GpuCall;
using sim::nvml::ProcessUse;
using sim::nvml::UseSince;

void Fill(const ProcessUse& use, ProcessUtilizationSample* sample) {
  *sample = {.pid = use.pid,
             .time_stamp_us = use.time_us,
             .sm_util = use.sm_percent,
             .mem_util = use.memory_percent,
             .enc_util = 0,
             .dec_util = 0};
}
void Fill(const ProcessUse& use, ProcessUtilizationInfo* info) {
  *info = {};
  info->time_stamp_us = use.time_us;
  info->pid = use.pid;
  info->sm_util = use.sm_percent;
  info->mem_util = use.memory_percent;
}

// All or none of them: too little room is answered with how much it takes.
template <typename Entry>
Return List(const GpuState& gpu, unsigned long long last_seen, Entry* entries, unsigned* count) {
  if (gpu.mig_enabled != 0) return kNotSupported;
  const std::vector<ProcessUse> uses = UseSince(gpu, last_seen);
  if (uses.empty()) return kNotFound;
  const unsigned room = entries == nullptr ? 0 : *count;
  *count = static_cast<unsigned>(uses.size());
  if (room < uses.size()) return kInsufficientSize;
  for (std::size_t i = 0; i < uses.size(); ++i) Fill(uses[i], &entries[i]);
  return kSuccess;
}

unsigned SampleOf(const GpuState& gpu, SamplingType type, const Busy& busy) {
  const unsigned work = busy.gpu;
  switch (type) {
    case kSamplePower:
      return sim::nvml::PowerAt(gpu, work);
    case kSampleGpuUtilization:
      return work;
    case kSampleMemoryUtilization:
      return busy.memory;
    case kSampleEncoderUtilization:
      return gpu.encoder_percent;
    case kSampleDecoderUtilization:
      return gpu.decoder_percent;
    case kSampleProcessorClock:
      return sim::nvml::ClockAt(gpu, kClockSm, work);
    case kSampleMemoryClock:
      return sim::nvml::ClockAt(gpu, kClockMemory, work);
  }
  return 0;
}

bool IsUtilization(SamplingType type) {
  return type >= kSampleGpuUtilization && type <= kSampleDecoderUtilization;
}

}  // namespace

extern "C" {

Return nvmlDeviceGetProcessUtilization(Device device, ProcessUtilizationSample* samples,
                                       unsigned* count, unsigned long long last_seen) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    return count == nullptr ? kInvalidArgument : List(gpu, last_seen, samples, count);
  });
}

Return nvmlDeviceGetProcessesUtilizationInfo(Device device, ProcessesUtilizationInfo* info) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (info == nullptr) return kInvalidArgument;
    if (info->version != StructVersion<ProcessesUtilizationInfo>(1)) {
      return kArgumentVersionMismatch;
    }
    return List(gpu, info->last_seen_time_stamp_us, info->samples, &info->count);
  });
}

Return nvmlDeviceGetUtilizationRates(Device device, Utilization* utilization) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (utilization == nullptr) return kInvalidArgument;
    if (gpu.mig_enabled != 0) return kNotSupported;
    const Busy busy = BusyNow(gpu);
    *utilization = {.gpu = busy.gpu, .memory = busy.memory};
    return kSuccess;
  });
}

Return nvmlDeviceGetSamples(Device device, SamplingType type, unsigned long long last_seen,
                            ValueType* value_type, unsigned* count, Sample* samples) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (value_type == nullptr || count == nullptr || (samples != nullptr && *count == 0)) {
      return kInvalidArgument;
    }
    if (type > kSampleMemoryClock) return kNotSupported;
    if (gpu.mig_enabled != 0 && IsUtilization(type)) return kNotSupported;
    const std::vector<BusyPeriod> periods = BusyPeriods(gpu, last_seen);
    if (periods.empty()) return kNotFound;
    *value_type = kValueUnsigned;
    const auto there = static_cast<unsigned>(periods.size());
    *count = samples == nullptr ? there : std::min(*count, there);
    for (unsigned i = 0; samples != nullptr && i < *count; ++i) {
      samples[i].time_stamp_us = periods[i].time_us;
      samples[i].value.ull = 0;
      samples[i].value.ui = SampleOf(gpu, type, periods[i].busy);
    }
    return kSuccess;
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
