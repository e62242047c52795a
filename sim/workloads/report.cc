#include "sim/workloads/report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace tranche::sim::workloads {
namespace {

constexpr double kMillisecond = 1e6;
constexpr double kMiB = 1048576;

[[gnu::format(printf, 2, 3)]] void Add(std::string& text, const char* format, ...) {
  char buffer[512];
  va_list values;
  va_start(values, format);
  std::vsnprintf(buffer, sizeof buffer, format, values);
  va_end(values);
  text += buffer;
}

std::string Quoted(const char* text) {
  std::string quoted = "\"";
  for (; *text != '\0'; ++text) {
    if (*text == '"' || *text == '\\') quoted += '\\';
    if (static_cast<unsigned char>(*text) >= ' ') quoted += *text;
  }
  return quoted + '"';
}

double Seconds(const Outcome& outcome) {
  return static_cast<double>(outcome.end_ns - outcome.begin_ns) / 1e9;
}

double Rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double BlockedShare(const Outcome& outcome) {
  const double seconds = Seconds(outcome);
  return seconds > 0 ? static_cast<double>(outcome.blocked_ns) / 1e9 / seconds : 0;
}

struct Latencies {
  double p50 = 0;
  double p99 = 0;
  double most = 0;
};

// In milliseconds.
Latencies LatenciesOf(const Outcomes& outcomes) {
  std::vector<std::int64_t> all;
  for (const Outcome* outcome : outcomes) {
    all.insert(all.end(), outcome->samples, outcome->samples + outcome->sample_count);
  }
  if (all.empty()) return {};
  std::sort(all.begin(), all.end());
  const auto at = [&](double part) {
    const auto place = static_cast<std::size_t>(part * static_cast<double>(all.size()));
    return static_cast<double>(all[std::min(place, all.size() - 1)]) / kMillisecond;
  };
  return {at(0.5), at(0.99), at(1)};
}

void AddFigures(std::string& text, const Outcome& outcome, const Latencies& latencies) {
  const double seconds = Seconds(outcome);
  Add(text, "\"seconds\": %.6f, \"launched\": %llu, \"done\": %llu, \"done_per_s\": %.3f, ",
      seconds, static_cast<unsigned long long>(outcome.launched),
      static_cast<unsigned long long>(outcome.done), Rate(outcome.done, seconds));
  Add(text, "\"requests\": %llu, \"requests_per_s\": %.3f, \"allocations\": %llu, ",
      static_cast<unsigned long long>(outcome.requests), Rate(outcome.requests, seconds),
      static_cast<unsigned long long>(outcome.allocations));
  Add(text, "\"latency_ms\": {\"count\": %llu, \"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f}, ",
      static_cast<unsigned long long>(outcome.latencies), latencies.p50, latencies.p99,
      latencies.most);
  Add(text, "\"late\": {\"share\": %.6f, \"worst_ms\": %.4f}, \"blocked_share\": %.6f, ",
      LateShare(outcome), static_cast<double>(outcome.worst_late_ns) / kMillisecond,
      BlockedShare(outcome));
  Add(text, "\"memory_bytes\": %llu, \"memory_peak_bytes\": %llu, \"errors\": {",
      static_cast<unsigned long long>(outcome.memory_bytes),
      static_cast<unsigned long long>(outcome.memory_peak_bytes));
  for (unsigned i = 0; i < outcome.error_kinds; ++i) {
    Add(text, "%s%s: %llu", i == 0 ? "" : ", ", Quoted(outcome.errors[i].name).c_str(),
        static_cast<unsigned long long>(outcome.errors[i].count));
  }
  text += "}, \"failed\": " + (outcome.failed[0] == '\0' ? "null" : Quoted(outcome.failed));
}

// All processes as one: sums, the whole span, and the worst lateness.
Outcome Total(const Outcomes& outcomes) {
  Outcome total = *outcomes.front();
  for (std::size_t i = 1; i < outcomes.size(); ++i) {
    const Outcome& one = *outcomes[i];
    total.begin_ns = std::min(total.begin_ns, one.begin_ns);
    total.end_ns = std::max(total.end_ns, one.end_ns);
    total.launched += one.launched;
    total.done += one.done;
    total.requests += one.requests;
    total.allocations += one.allocations;
    total.memory_bytes += one.memory_bytes;
    total.memory_peak_bytes += one.memory_peak_bytes;
    total.latencies += one.latencies;
    total.late_ns = std::max(total.late_ns, one.late_ns);
    total.worst_late_ns = std::max(total.worst_late_ns, one.worst_late_ns);
    total.blocked_ns = std::max(total.blocked_ns, one.blocked_ns);
    for (unsigned k = 0; k < one.error_kinds; ++k) {
      for (std::uint64_t n = 0; n < one.errors[k].count; ++n) {
        CountError(total, one.errors[k].code, one.errors[k].name);
      }
    }
    if (total.failed[0] == '\0') std::copy_n(one.failed, sizeof one.failed, total.failed);
  }
  return total;
}

}  // namespace

double LateShare(const Outcome& outcome) {
  const auto span = outcome.end_ns - outcome.begin_ns;
  return span > 0 ? static_cast<double>(outcome.late_ns) / static_cast<double>(span) : 0;
}

std::string JsonReport(const Settings& settings, const Outcomes& outcomes) {
  const Outcome& first = *outcomes.front();
  std::string text = "{\"workload\": \"" + std::string(settings.workload->name) + "\", ";
  text += "\"device\": " + Quoted(first.device) + ", ";
  Add(text, "\"simulated\": %s, \"time_scale\": %u,\n \"total\": {",
      first.simulated != 0 ? "true" : "false", first.time_scale);
  AddFigures(text, Total(outcomes), LatenciesOf(outcomes));
  text += "},\n \"processes\": [";
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Outcome& one = *outcomes[i];
    Add(text, "%s{\"pid\": %d, \"begin_ns\": %lld, \"end_ns\": %lld, ", i == 0 ? "\n  " : ",\n  ",
        one.pid, static_cast<long long>(one.begin_ns), static_cast<long long>(one.end_ns));
    AddFigures(text, one, LatenciesOf({&one}));
    text += "}";
  }
  return text + "]}\n";
}

std::string TextReport(const Settings& settings, const Outcomes& outcomes) {
  const Outcome total = Total(outcomes);
  const double seconds = Seconds(total);
  const Latencies latencies = LatenciesOf(outcomes);
  std::string text;
  Add(text, "%s on %s%s, %zu process%s, %.3f s%s\n", std::string(settings.workload->name).c_str(),
      total.device[0] == '\0' ? "no GPU" : total.device, total.simulated != 0 ? " (simulated)" : "",
      outcomes.size(), outcomes.size() == 1 ? "" : "es", seconds,
      total.simulated != 0 ? " of the driver's time" : "");
  if (total.launched > 0) {
    Add(text, "  kernels   %llu launched, %llu done, %.1f a second\n",
        static_cast<unsigned long long>(total.launched),
        static_cast<unsigned long long>(total.done), Rate(total.done, seconds));
  }
  if (total.requests > 0) {
    Add(text, "  requests  %llu, %.1f a second\n", static_cast<unsigned long long>(total.requests),
        Rate(total.requests, seconds));
  }
  if (total.latencies > 0) {
    Add(text, "  latency   p50 %.3f ms, p99 %.3f ms, at most %.3f ms\n", latencies.p50,
        latencies.p99, latencies.most);
  }
  Add(text, "  late      %.2f %% of the time, at most %.3f ms\n", 100 * LateShare(total),
      static_cast<double>(total.worst_late_ns) / kMillisecond);
  if (total.blocked_ns > 0) {
    Add(text, "  blocked   %.2f %% of the time, in launches while the driver's queue was full\n",
        100 * BlockedShare(total));
  }
  if (total.memory_peak_bytes > 0) {
    Add(text, "  memory    %.0f MiB at the end, %.0f MiB at most, %llu allocations\n",
        static_cast<double>(total.memory_bytes) / kMiB,
        static_cast<double>(total.memory_peak_bytes) / kMiB,
        static_cast<unsigned long long>(total.allocations));
  }
  for (unsigned i = 0; i < total.error_kinds; ++i) {
    Add(text, "  error     %s, %llu times\n", total.errors[i].name,
        static_cast<unsigned long long>(total.errors[i].count));
  }
  if (total.failed[0] != '\0') Add(text, "  failed    %s\n", total.failed);
  return text;
}

}  // namespace tranche::sim::workloads
