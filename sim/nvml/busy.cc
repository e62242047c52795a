#include "sim/nvml/busy.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/node/processes.h"

namespace tranche::sim::nvml {
namespace {

constexpr unsigned kKeptPeriods = 120;  // twenty seconds

unsigned SlotOf(const GpuState& gpu) {
  return static_cast<unsigned>(&gpu - Library::Get().node().gpus.data());
}

// On the machine's clock: the driver's may go slower.
double PeriodUs() {
  const unsigned scale = std::max(Library::Get().node().header.time_scale, 1U);
  return static_cast<double>(kSamplePeriodNs) / 1000 * scale;
}

// Ends of periods lie a whole number of them from here.
double AnchorUs(const std::vector<SampleState>& samples) {
  return samples.empty() ? 0 : static_cast<double>(samples.back().time_us);
}

// The end of the last period that is over.
double LastEndUs(double anchor, double period) {
  const auto now = static_cast<double>(RealtimeUs());
  return anchor + std::floor((now - anchor) / period) * period;
}

void Add(Busy* to, unsigned gpu, unsigned memory) {
  to->gpu = std::min(to->gpu + gpu, 100U);
  to->memory = std::min(to->memory + memory, 100U);
}

}  // namespace

unsigned PowerAt(const GpuState& gpu, unsigned percent) {
  const unsigned span =
      gpu.power_limit_milliwatts - std::min(gpu.power_limit_milliwatts, gpu.power_milliwatts);
  return gpu.power_milliwatts + span / 100 * percent;
}

unsigned ClockAt(const GpuState& gpu, gpu::nvml::ClockType type, unsigned percent) {
  return percent > 0 ? gpu.max_clock_mhz[type] : gpu.clock_mhz[type];
}

namespace {

// What stands there by hand, with the time of the last period's end.
void AddStandingProcesses(const GpuState& gpu, double end_us, std::vector<ProcessUse>* uses) {
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    const ProcessState& process = gpu.processes[i];
    if (process.by_driver != 0 || (process.sm_percent == 0 && process.memory_percent == 0))
      continue;
    uses->push_back({.pid = process.pid,
                     .time_us = static_cast<std::uint64_t>(end_us),
                     .sm_percent = process.sm_percent,
                     .memory_percent = process.memory_percent});
  }
}

}  // namespace

std::vector<BusyPeriod> BusyPeriods(const GpuState& gpu, std::uint64_t after_us) {
  const std::vector<SampleState> samples = Library::Get().reader().SamplesFrom(SlotOf(gpu), 0);
  const double period = PeriodUs();
  const double last = LastEndUs(AnchorUs(samples), period);
  const BusyPercent by_hand = BusyByHand(gpu);
  std::vector<BusyPeriod> periods;
  for (unsigned back = kKeptPeriods; back-- > 0;) {
    const double end = last - back * period;
    if (end <= static_cast<double>(after_us)) continue;
    BusyPeriod& at = periods.emplace_back();
    at.time_us = static_cast<std::uint64_t>(end);
    at.busy = {.gpu = by_hand.gpu, .memory = by_hand.memory};
    for (const SampleState& sample : samples) {
      if (std::abs(static_cast<double>(sample.time_us) - end) < period / 2) {
        Add(&at.busy, sample.sm_percent, sample.memory_percent);
      }
    }
  }
  return periods;
}

Busy BusyNow(const GpuState& gpu) {
  const BusyPercent by_hand = BusyByHand(gpu);
  Busy busy{.gpu = by_hand.gpu, .memory = by_hand.memory};
  const double period = PeriodUs();
  // One that is a whole period late is no longer waited for.
  const auto since = static_cast<std::uint64_t>(static_cast<double>(RealtimeUs()) - 2 * period);
  const std::vector<SampleState> samples = Library::Get().reader().SamplesFrom(SlotOf(gpu), since);
  for (const SampleState& sample : samples) {
    if (AnchorUs(samples) - static_cast<double>(sample.time_us) < period / 2) {
      Add(&busy, sample.sm_percent, sample.memory_percent);
    }
  }
  return busy;
}

std::vector<ProcessUse> UseSince(const GpuState& gpu, std::uint64_t after_us) {
  std::vector<SampleState> samples = Library::Get().reader().SamplesFrom(SlotOf(gpu), 0);
  const double period = PeriodUs();
  const double last = LastEndUs(AnchorUs(samples), period);
  std::vector<ProcessUse> uses;
  if (last <= static_cast<double>(after_us)) return uses;
  AddStandingProcesses(gpu, last, &uses);
  if (samples.empty()) return uses;
  // Averaged over the periods that ended after `after_us` and are kept, until the newest sample. An
  // end may lie a little off its place, so that one at the edge is counted where it has a sample.
  const double newest = AnchorUs(samples);
  const double begin = std::max(static_cast<double>(after_us),
                                static_cast<double>(samples.front().time_us) - period);
  std::erase_if(samples, [&](const SampleState& sample) { return sample.time_us <= after_us; });
  if (samples.empty()) return uses;
  const double back = std::round((newest - static_cast<double>(samples.front().time_us)) / period);
  const double periods = 1 + std::max(back, std::floor((newest - begin) / period - 0.1));
  struct Sum {
    double sm = 0;
    double memory = 0;
    std::uint64_t time_us = 0;
  };
  std::map<unsigned, Sum> sums;
  for (const SampleState& sample : samples) {
    Sum& sum = sums[sample.pid];
    sum.sm += sample.sm_percent;
    sum.memory += sample.memory_percent;
    sum.time_us = sample.time_us;
  }
  for (const auto& [pid, sum] : sums) {
    // Rounded down, as each sample is: so all processes together are never busier than the GPU.
    uses.push_back({.pid = pid,
                    .time_us = sum.time_us,
                    .sm_percent = static_cast<unsigned>(sum.sm / periods),
                    .memory_percent = static_cast<unsigned>(sum.memory / periods)});
  }
  return uses;
}

}  // namespace tranche::sim::nvml
