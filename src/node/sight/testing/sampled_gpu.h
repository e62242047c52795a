// A GPU whose driver samples as a real one does: every sixth of a second it notes, in whole
// percent, for how long each process and the GPU computed; asked for what is newer than a time, it
// tells of each process once, by its rounded average, and of each period of the GPU.
//
// Threading: plain values, one thread.
// Errors: none.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "gpu/usage.h"

namespace tranche::node::sight::testing {

class SampledGpu {
 public:
  static constexpr std::uint64_t kPeriodUs = 1'000'000 / 6;

  explicit SampledGpu(std::uint64_t start_us) : now_us_(start_us) {}

  // Each of these computes for its percent of the next periods.
  void Run(std::map<unsigned, double> percents, int periods) {
    for (int i = 0; i < periods; ++i) {
      now_us_ += kPeriodUs;
      Period period{.end_us = now_us_};
      double sum = 0;
      for (const auto& [pid, percent] : percents) {
        period.percents[pid] = static_cast<unsigned>(std::lround(percent));
        seconds_[pid] += percent / 100 * static_cast<double>(kPeriodUs) / 1e6;
        sum += percent;
      }
      period.busy = static_cast<unsigned>(std::lround(sum));
      periods_.push_back(period);
    }
  }

  // As a driver does: only the last minute is kept, and Seconds() begins anew.
  void Forget() {
    constexpr std::size_t kKept = 360;
    if (periods_.size() > kKept) {
      periods_.erase(periods_.begin(), periods_.end() - static_cast<std::ptrdiff_t>(kKept));
    }
    seconds_.clear();
  }

  [[nodiscard]] std::uint64_t now_us() const { return now_us_; }
  // What really was.
  [[nodiscard]] double Seconds(unsigned pid) const { return seconds_.at(pid); }

  [[nodiscard]] std::vector<gpu::ProcessSample> ProcessSamples(std::uint64_t after_us) const {
    std::map<unsigned, double> sums;
    std::map<unsigned, std::uint64_t> newest;
    std::uint64_t end = 0;
    int count = 0;
    for (const Period& period : periods_) {
      if (period.end_us <= after_us) continue;
      ++count;
      for (const auto& [pid, percent] : period.percents) {
        if (percent == 0) continue;
        sums[pid] += percent;
        newest[pid] = end = period.end_us;
      }
    }
    // Averaged up to the newest sample of anybody.
    for (const Period& period : periods_) count -= period.end_us > end && end > 0 ? 1 : 0;
    std::vector<gpu::ProcessSample> samples;
    for (const auto& [pid, sum] : sums) {
      samples.push_back({.pid = pid,
                         .time_us = newest[pid],
                         .sm_percent = static_cast<unsigned>(std::lround(sum / count))});
    }
    return samples;
  }
  [[nodiscard]] std::vector<gpu::BusySample> BusySamples(std::uint64_t after_us) const {
    std::vector<gpu::BusySample> samples;
    for (const Period& period : periods_) {
      if (period.end_us > after_us) samples.push_back({period.end_us, period.busy});
    }
    return samples;
  }

 private:
  struct Period {
    std::uint64_t end_us = 0;
    std::map<unsigned, unsigned> percents = {};
    unsigned busy = 0;
  };
  std::uint64_t now_us_;
  std::vector<Period> periods_;
  std::map<unsigned, double> seconds_;
};

}  // namespace tranche::node::sight::testing
