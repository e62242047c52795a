#include "node/sight/windows.h"

#include <algorithm>

namespace tranche::node::sight {
namespace {

constexpr double kUs = 1e6;
// The wall clock has been set where it is this far behind what it had said.
constexpr std::uint64_t kSetBackUs = 5'000'000;
// A sample speaks of no more time than this, whatever lies between it and the one before.
constexpr std::uint64_t kLongestPeriodUs = 5'000'000;
// Percents are rounded: by half of one each.
constexpr double kRounding = 0.005;

// For how long something computed between `from` and `to`.
double BusyBetween(const std::vector<gpu::BusySample>& samples, std::uint64_t from,
                   std::uint64_t to) {
  double seconds = 0;
  std::uint64_t last = from;
  for (const gpu::BusySample& sample : samples) {
    if (sample.time_us <= last) continue;
    const std::uint64_t period = std::min(sample.time_us - last, kLongestPeriodUs);
    // The two kinds of samples may be stamped a little apart.
    if (sample.time_us > to + period / 2) break;
    seconds += static_cast<double>(period) / kUs * sample.percent / 100;
    last = sample.time_us;
  }
  return seconds;
}

// The newest end of a period that is not after `limit`, or `limit` itself where there are none; 0
// where all are after it.
std::uint64_t NewestBefore(const std::vector<gpu::BusySample>* samples, std::uint64_t limit) {
  std::uint64_t newest = 0;
  if (samples == nullptr || samples->empty()) return limit;
  for (const gpu::BusySample& sample : *samples) {
    if (sample.time_us <= limit) newest = std::max(newest, sample.time_us);
  }
  return newest;
}

// How long each process computed in (from, to]. A driver tells of each once, as its average over
// all of that; of one that is told of more often, each sample speaks of the time since the last.
std::map<unsigned, double> ProcessSeconds(std::vector<gpu::ProcessSample> samples,
                                          std::uint64_t from, std::uint64_t to) {
  std::ranges::sort(samples, {}, &gpu::ProcessSample::time_us);
  std::map<unsigned, int> told;
  for (const gpu::ProcessSample& sample : samples) ++told[sample.pid];
  std::map<unsigned, std::uint64_t> last;
  std::map<unsigned, double> seconds;
  for (const gpu::ProcessSample& sample : samples) {
    const std::uint64_t begin = std::max(from, last[sample.pid]);
    const std::uint64_t end = told[sample.pid] == 1 ? to : sample.time_us;
    last[sample.pid] = sample.time_us;
    if (end <= begin) continue;
    seconds[sample.pid] += static_cast<double>(end - begin) / kUs * sample.sm_percent / 100;
  }
  return seconds;
}

}  // namespace

std::optional<Window> Windows::Next(const std::vector<gpu::ProcessSample>& processes,
                                    const std::vector<gpu::BusySample>* busy,
                                    std::uint64_t now_us) {
  if (cursor_us_ == 0 || cursor_us_ > now_us + kSetBackUs) {
    // What was before the first look is not counted.
    const std::uint64_t limit = now_us > kLateUs ? now_us - kLateUs : 1;
    const std::uint64_t newest = NewestBefore(busy, limit);
    cursor_us_ = newest > 0 ? newest : limit;
    return std::nullopt;
  }
  std::uint64_t end = 0;
  for (const gpu::ProcessSample& sample : processes) {
    if (sample.time_us <= now_us + kSetBackUs) end = std::max(end, sample.time_us);
  }
  // Nothing has computed, unless the driver is behind.
  if (end == 0 && now_us > kLateUs) end = NewestBefore(busy, now_us - kLateUs);
  if (end <= cursor_us_) return std::nullopt;

  Window window{.seconds = static_cast<double>(end - cursor_us_) / kUs};
  window.process_seconds = ProcessSeconds(processes, cursor_us_, end);
  double sum = 0;
  for (const auto& [pid, seconds] : window.process_seconds) sum += seconds;
  if (busy != nullptr && !busy->empty()) {
    const double measured = BusyBetween(*busy, cursor_us_, end);
    window.busy_seconds = measured;
    const double slack =
        window.seconds * kRounding * static_cast<double>(window.process_seconds.size() + 1);
    // More than there was, or as much but for the rounding.
    if (sum > 0 && sum > measured - slack) {
      for (auto& [pid, seconds] : window.process_seconds) seconds *= measured / sum;
    }
  }
  cursor_us_ = end;
  return window;
}

}  // namespace tranche::node::sight
