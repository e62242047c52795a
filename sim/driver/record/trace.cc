#include "sim/driver/record/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_read.h"
#include "base/log.h"
#include "sim/driver/record/columns.h"
#include "sim/driver/record/log_reader.h"

namespace tranche::sim::driver {
namespace {

using base::IntAt;
using base::Json;
using base::Result;

constexpr std::size_t kMaxNameBytes = 32;
constexpr std::size_t kMaxTextBytes = 128;

std::int64_t Int(const Json& json, const char* key) { return IntAt(json, key).value_or(0); }

std::string RunText(const DriverRun& run) {
  return run.pid == 0
             ? "a driver"
             : fmt::format("driver {}, begun {}, time scale {}", run.pid, run.time, run.time_scale);
}

std::string CutText(const DriverRun& run) {
  return fmt::format("what happened before about {} ms is not in the log any more",
                     Milliseconds(run.cut_ns));
}

// ---- the table

struct Row {
  std::string name;
  std::int64_t begun = 0;
  std::int64_t ended = 0;
  std::int64_t computed = 0;
  std::int64_t kernels = 0;
  std::int64_t switched = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t taken = 0;
  std::int64_t refused = 0;
  Places places;
};

void Count(const Json& line, Row* row) {
  const std::string& event = base::TextAt(line, "event");
  if (event == "process" || event == "process_end") {
    row->name = base::PrintableAt(line, "name", kMaxNameBytes);
    row->begun = Int(line, event == "process" ? "ns" : "begun_ns");
  }
  row->ended = std::max({row->ended, Int(line, "ns"), Int(line, "ended_ns")});
  if (const auto slot = IntAt(line, "slot")) {
    row->places.emplace(*slot, IntAt(line, "gpu_instance"));
  }
  if (event == "run") {
    row->computed += Int(line, "computed_ns");
    row->kernels += Int(line, "kernels");
    row->switched += Int(line, "switched_ns");
  } else if (event == "copies") {
    (base::TextAt(line, "direction") == "in" ? row->in : row->out) += Int(line, "bytes");
  } else if (event == "memory" && base::TextAt(line, "what") == "refused") {
    ++row->refused;
  } else if (event == "memory" && base::TextAt(line, "what") == "taken") {
    row->taken += Int(line, "taken_bytes");
  }
}

std::string TableOfRun(const std::map<ProcessKey, Row>& all, std::size_t run) {
  std::vector<std::vector<std::string>> rows{{"PROCESS", "GPU", "FROM ms", "TO ms", "COMPUTED ms",
                                              "KERNELS", "SWITCHED ms", "IN MiB", "OUT MiB",
                                              "TAKEN MiB", "REFUSED"}};
  for (const auto& [key, row] : all) {
    if (std::get<0>(key) != run) continue;
    rows.push_back({NameOf(std::get<2>(key), row.name), PlacesText(row.places),
                    Milliseconds(row.begun), Milliseconds(row.ended), Milliseconds(row.computed),
                    std::to_string(row.kernels), Milliseconds(row.switched), Mebibytes(row.in),
                    Mebibytes(row.out), Mebibytes(row.taken), std::to_string(row.refused)});
  }
  return Table(rows);
}

// ---- the picture

// Events of a Chrome trace. Its "processes" are our groups of tracks, its "threads" the tracks.
class ChromeWriter {
 public:
  void Begin(const DriverRun& run) {
    // Later drivers stand where they were in real time, and never before the end of the one before.
    if (run.number == 0) first_epoch_ = run.epoch_ns;
    offset_ = run.number == 0 ? 0 : std::max(end_, run.epoch_ns - first_epoch_);
    groups_[kDrivers] = "drivers";
    Instant(kDrivers, 0, RunText(run), Json::MakeObject());
    if (run.cut_ns > 0) Instant(kDrivers, run.cut_ns, CutText(run), Json::MakeObject());
  }

  void Add(const DriverRun& run, const Json& line) {
    const std::string& event = base::TextAt(line, "event");
    const std::int64_t process = Process(run, line);
    if (event == "run") {
      AddSpan(line, process, 1, "compute", base::TextAt(line, "kernel"));
    } else if (event == "copies") {
      const bool in = base::TextAt(line, "direction") == "in";
      AddSpan(line, process, in ? 2 : 3, in ? "copies in" : "copies out", "");
    } else if (event == "memory" && base::TextAt(line, "what") == "refused") {
      Instant(process, Int(line, "ns"), "memory refused", line);
    } else if (event == "memory" || event == "context_end" || IsNewContext(event, run, line)) {
      AddMemory(line);
    } else if (event == "error") {
      Instant(process, Int(line, "ns"), fmt::format("error {}", Int(line, "result")), line);
    } else if (event == "missing") {
      Instant(process, Int(line, "ns"),
              "missing: " + base::PrintableAt(line, "call", kMaxTextBytes), line);
    }
  }

  std::string Finish() {
    std::string text = "[\n";
    for (const std::string& event : events_) text += event + ",\n";
    for (const auto& [key, name] : tracks_) {
      text += Meta("thread_name", key.first, key.second, name) + ",\n";
    }
    const char* separator = "";
    for (const auto& [key, name] : groups_) {
      text += separator + Meta("process_name", key, 0, name);
      separator = ",\n";
    }
    return text + "\n]\n";
  }

 private:
  static constexpr std::int64_t kDrivers = 1;
  static constexpr std::int64_t kGpus = 1000;
  static constexpr std::int64_t kProcesses = 1'000'000;

  static std::string Meta(const char* what, std::int64_t group, std::int64_t track,
                          const std::string& name) {
    return fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})", what,
                       group, track, Json(name).Dump());
  }

  double Microseconds(std::int64_t ns) {
    end_ = std::max(end_, offset_ + ns);
    return static_cast<double>(offset_ + ns) / 1e3;
  }

  std::int64_t Gpu(const Json& line) {
    const std::int64_t slot = Int(line, "slot");
    const auto instance = IntAt(line, "gpu_instance");
    const std::int64_t group = kGpus + slot * 100 + (instance ? *instance + 1 : 0);
    groups_[group] = instance ? fmt::format("GPU {}, GPU instance {}", slot, *instance)
                              : fmt::format("GPU {}", slot);
    return group;
  }

  std::int64_t Process(const DriverRun& run, const Json& line) {
    const ProcessKey key = KeyOf(run, line);
    const auto group =
        processes_.emplace(key, kProcesses + static_cast<std::int64_t>(processes_.size())).first;
    std::string name = base::PrintableAt(line, "name", kMaxNameBytes);
    if (std::string& known = names_[group->second]; known.empty() || !name.empty()) {
      known = NameOf(Int(line, "pid"), name);
      groups_[group->second] = "process " + known;
    }
    return group->second;
  }

  void Span(std::int64_t group, std::int64_t track, const std::string& name, const Json& line) {
    const double begun = Microseconds(Int(line, "begun_ns"));
    const double ended = Microseconds(Int(line, "ended_ns"));
    events_.push_back(fmt::format(
        R"({{"ph":"X","name":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{}}})",
        Json(name).Dump(), group, track, begun, ended - begun, line.Dump()));
  }

  void AddSpan(const Json& line, std::int64_t process, std::int64_t track, const char* track_name,
               const std::string& kernel) {
    const std::int64_t gpu = Gpu(line);
    tracks_[{gpu, track}] = track_name;
    tracks_[{process, track}] = track_name;
    Span(gpu, track, names_[process], line);
    Span(process, track, kernel.empty() ? track_name : base::Printable(kernel, kMaxTextBytes),
         line);
  }

  // Each file of the log begins with the contexts that are there already.
  bool IsNewContext(const std::string& event, const DriverRun& run, const Json& line) {
    return event == "context" && contexts_.emplace(run.number, Int(line, "context")).second;
  }

  void AddMemory(const Json& line) {
    events_.push_back(fmt::format(
        R"({{"ph":"C","name":"free memory","pid":{},"ts":{:.3f},"args":{{"bytes":{}}}}})",
        Gpu(line), Microseconds(Int(line, "ns")), Int(line, "free_bytes")));
  }

  void Instant(std::int64_t group, std::int64_t ns, const std::string& name, const Json& line) {
    events_.push_back(
        fmt::format(R"({{"ph":"i","s":"p","name":{},"pid":{},"tid":1,"ts":{:.3f},"args":{}}})",
                    Json(name).Dump(), group, Microseconds(ns), line.Dump()));
  }

  std::vector<std::string> events_;
  std::map<ProcessKey, std::int64_t> processes_;
  std::map<std::int64_t, std::string> names_;  // of the processes' groups
  std::set<std::pair<std::size_t, std::int64_t>> contexts_;
  std::map<std::int64_t, std::string> groups_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::string> tracks_;
  std::int64_t first_epoch_ = 0;
  std::int64_t offset_ = 0;  // of the driver's time in the picture's
  std::int64_t end_ = 0;     // of all that is in the picture
};

}  // namespace

Result<std::string> TableOfLog(const std::string& path) {
  std::vector<DriverRun> runs;
  std::map<ProcessKey, Row> rows;
  LogReader log(
      [&](const DriverRun& run) { runs.push_back(run); },
      [&](const DriverRun& run, const Json& line) { Count(line, &rows[KeyOf(run, line)]); });
  TRANCHE_TRY(log.Read(path));
  std::string text;
  for (const DriverRun& run : runs) {
    text += (text.empty() ? "" : "\n") + RunText(run) + '\n';
    const bool last = run.number + 1 == runs.size();
    if (run.cut_ns > 0) {
      text += CutText(run) + (last ? "; sums: tranche sim driver-status\n" : "\n");
    }
    text += TableOfRun(rows, run.number);
  }
  return text;
}

Result<std::string> ChromeTraceOfLog(const std::string& path) {
  ChromeWriter writer;
  LogReader log([&](const DriverRun& run) { writer.Begin(run); },
                [&](const DriverRun& run, const Json& line) { writer.Add(run, line); });
  TRANCHE_TRY(log.Read(path));
  return writer.Finish();
}

}  // namespace tranche::sim::driver
