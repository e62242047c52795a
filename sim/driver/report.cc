#include "sim/driver/report.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json_read.h"
#include "base/log.h"
#include "sim/driver/serve.h"

namespace tranche::sim::driver {
namespace {

using base::Code;
using base::IntAt;
using base::Json;
using base::Result;
using base::Status;

constexpr std::size_t kMaxStatusBytes = 256U << 20U;
constexpr int kAnswerMs = 5000;
constexpr std::size_t kMaxLogBytes = std::size_t{1} << 40U;

std::int64_t Int(const Json& json, const base::JsonPath& path) {
  return IntAt(json, path).value_or(0);
}

Result<Json> ReadStatusFile(const std::string& root) {
  const auto text = base::ReadFile(base::JoinPath(root, kStatusFile), kMaxStatusBytes);
  if (!text.ok()) return text.status().Wrap("no driver has served this node");
  return Json::Parse(*text);
}

// The log's lines, oldest first; `use` is given each that is JSON.
template <typename Use>
Status ReadLog(const std::string& root, Use use) {
  const std::string path = base::JoinPath(root, kLogFile);
  if (!base::Exists(path)) return {Code::kNotFound, "no driver has served this node: " + path};
  for (const std::string& part : {path + ".1", path}) {
    const auto text = base::ReadFile(part, kMaxLogBytes);
    if (!text.ok() && text.status().code() == Code::kNotFound) continue;
    if (!text.ok()) return text.status();
    for (std::string_view left = *text; !left.empty();) {
      const std::size_t end = std::min(left.find('\n'), left.size());
      if (const auto line = Json::Parse(left.substr(0, end)); line.ok()) use(*line);
      left.remove_prefix(std::min(end + 1, left.size()));
    }
  }
  return Status::Ok();
}

std::string Milliseconds(std::int64_t ns) {
  return fmt::format("{:.3f}", static_cast<double>(ns) / 1e6);
}

std::string Mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / (1 << 20));
}

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    // Names on the left, numbers on the right.
    text += fmt::format("{:<{}}", row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i) text += fmt::format("  {:>{}}", row[i], widths[i]);
    text += '\n';
  }
  return text;
}

std::string NameOf(std::int64_t pid, const std::string& name) {
  return name.empty() ? std::to_string(pid) : fmt::format("{} ({})", pid, name);
}

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
};

void Count(const Json& line, std::map<std::int64_t, Row>* rows) {
  const std::string& event = base::TextAt(line, "event");
  const auto pid = IntAt(line, "pid");
  if (!pid || event == "driver" || event == "totals") return;
  Row& row = (*rows)[*pid];
  if (event == "process") {
    row.name = base::PrintableAt(line, "name", 32);
    row.begun = Int(line, "ns");
  }
  row.ended = std::max({row.ended, Int(line, "ns"), Int(line, "ended_ns")});
  if (event == "run") {
    row.computed += Int(line, "computed_ns");
    row.kernels += Int(line, "kernels");
    row.switched += Int(line, "switched_ns");
  } else if (event == "copies") {
    (base::TextAt(line, "direction") == "in" ? row.in : row.out) += Int(line, "bytes");
  } else if (event == "memory" && base::TextAt(line, "what") == "refused") {
    ++row.refused;
  } else if (event == "memory" && base::TextAt(line, "what") == "taken") {
    row.taken += Int(line, "taken_bytes");
  }
}

// Events of a Chrome trace. Its "processes" are our groups of tracks, its "threads" the tracks.
class ChromeWriter {
 public:
  void Add(const Json& line) {
    const std::string& event = base::TextAt(line, "event");
    const std::int64_t pid = Int(line, "pid");
    if (event == "process") names_[pid] = base::PrintableAt(line, "name", 32);
    if (event == "run") {
      AddSpan(line, 1, "compute", base::TextAt(line, "kernel"));
    } else if (event == "copies") {
      const bool in = base::TextAt(line, "direction") == "in";
      AddSpan(line, in ? 2 : 3, in ? "copies in" : "copies out", "");
    } else if (event == "memory" || event == "context_end" || IsNewContext(event, line)) {
      AddMemory(line);
    } else if (event == "error") {
      AddInstant(line, fmt::format("error {}", Int(line, "result")));
    } else if (event == "missing") {
      AddInstant(line, "missing: " + base::PrintableAt(line, "call", 128));
    }
  }

  std::string Finish() {
    std::string text = "[\n";
    for (const std::string& event : events_) text += event + ",\n";
    for (const auto& [key, name] : groups_) text += Meta("process_name", key, 0, name) + ",\n";
    for (const auto& [key, name] : tracks_) {
      text += Meta("thread_name", key.first, key.second, name) + ",\n";
    }
    text += Meta("process_labels", 0, 0, "tranche sim driver") + "\n]\n";
    return text;
  }

 private:
  static constexpr std::int64_t kGpuGroups = 1'000'000'000;  // beyond any pid

  static std::string Meta(const char* what, std::int64_t group, std::int64_t track,
                          const std::string& name) {
    return fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})", what,
                       group, track, Json(name).Dump());
  }

  std::int64_t Gpu(const Json& line) {
    const std::int64_t slot = Int(line, "slot");
    const auto instance = IntAt(line, "gpu_instance");
    const std::int64_t group = kGpuGroups + slot * 100 + (instance ? *instance + 1 : 0);
    groups_[group] = instance ? fmt::format("GPU {}, GPU instance {}", slot, *instance)
                              : fmt::format("GPU {}", slot);
    return group;
  }

  std::int64_t Process(const Json& line) {
    const std::int64_t pid = Int(line, "pid");
    groups_[pid] = "process " + NameOf(pid, names_[pid]);
    return pid;
  }

  void Span(std::int64_t group, std::int64_t track, const std::string& name, const Json& line) {
    const double begun = static_cast<double>(Int(line, "begun_ns")) / 1e3;
    const double ended = static_cast<double>(Int(line, "ended_ns")) / 1e3;
    events_.push_back(fmt::format(
        R"({{"ph":"X","name":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{}}})",
        Json(name).Dump(), group, track, begun, ended - begun, line.Dump()));
  }

  void AddSpan(const Json& line, std::int64_t track, const char* track_name,
               const std::string& kernel) {
    const std::int64_t gpu = Gpu(line);
    const std::int64_t process = Process(line);
    tracks_[{gpu, track}] = track_name;
    tracks_[{process, track}] = track_name;
    Span(gpu, track, NameOf(process, names_[process]), line);
    Span(process, track, kernel.empty() ? track_name : base::Printable(kernel, 128), line);
  }

  // Each file of the log begins with the contexts that are there already.
  bool IsNewContext(const std::string& event, const Json& line) {
    return event == "context" && contexts_.insert(Int(line, "context")).second;
  }

  void AddMemory(const Json& line) {
    if (base::TextAt(line, "what") == "refused") return AddInstant(line, "memory refused");
    events_.push_back(fmt::format(
        R"({{"ph":"C","name":"free memory","pid":{},"ts":{:.3f},"args":{{"bytes":{}}}}})",
        Gpu(line), static_cast<double>(Int(line, "ns")) / 1e3, Int(line, "free_bytes")));
  }

  void AddInstant(const Json& line, const std::string& name) {
    events_.push_back(fmt::format(
        R"({{"ph":"i","s":"p","name":{},"pid":{},"tid":1,"ts":{:.3f},"args":{}}})",
        Json(name).Dump(), Process(line), static_cast<double>(Int(line, "ns")) / 1e3, line.Dump()));
  }

  std::vector<std::string> events_;
  std::map<std::int64_t, std::string> names_;
  std::set<std::int64_t> contexts_;
  std::map<std::int64_t, std::string> groups_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::string> tracks_;
};

// Has the driver write down what it knows, and waits for it; see AskForStatus.
int Refresh(const std::string& root) {
  const base::UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const std::string folder = base::JoinPath(root, kLogDirectory);
  const bool watched = inotify_add_watch(watch.get(), folder.c_str(), IN_MOVED_TO) >= 0;
  const int pid = AskForStatus(root);
  // It answers within a turn. If the machine is too busy for that, the old one has to do.
  pollfd ready{.fd = watch.get(), .events = POLLIN, .revents = 0};
  if (pid != 0 && watched) poll(&ready, 1, kAnswerMs);
  return pid;
}

Json WithAllEnded(Json status) {
  Json processes = Json::MakeArray();
  for (Json process : base::ItemsAt(status, "processes")) {
    if (!IntAt(process, "ended_ns")) process.Set("ended_ns", Int(status, "ns"));
    processes.Append(std::move(process));
  }
  status.Set("processes", std::move(processes));
  return status;
}

}  // namespace

Result<Json> ReadStatus(const std::string& root) {
  const int pid = Refresh(root);
  Result<Json> status = ReadStatusFile(root);
  if (!status.ok()) return status;
  const bool served = pid != 0 || IsServed(root);
  status->Set("served", served);
  if (served && (pid == 0 || IntAt(*status, "pid") == pid)) return status;
  return WithAllEnded(std::move(*status));  // the driver that wrote it has gone
}

std::string StatusText(const Json& status) {
  std::vector<std::vector<std::string>> rows{{"PROCESS", "GPU", "COMPUTED ms", "KERNELS", "IN MiB",
                                              "OUT MiB", "PEAK MiB", "REFUSED", "LATE ms",
                                              "STATE"}};
  for (const Json& process : base::ItemsAt(status, "processes")) {
    std::set<std::pair<std::int64_t, std::string>> places;
    for (const Json& context : base::ItemsAt(process, "contexts")) {
      const auto instance = IntAt(context, "gpu_instance");
      places.emplace(Int(context, "slot"), instance ? fmt::format(":gi{}", *instance) : "");
    }
    std::string gpus;
    for (const auto& [slot, instance] : places) {
      gpus += (gpus.empty() ? "" : ",") + std::to_string(slot) + instance;
    }
    rows.push_back(
        {NameOf(Int(process, "pid"), base::PrintableAt(process, "name", 32)), gpus,
         Milliseconds(Int(process, "computed_ns")), std::to_string(Int(process, "kernels")),
         Mebibytes(Int(process, {"copies_in", "bytes"})),
         Mebibytes(Int(process, {"copies_out", "bytes"})),
         Mebibytes(Int(process, "memory_peak_bytes")), std::to_string(Int(process, "refused")),
         Milliseconds(Int(process, {"lateness", "late_idle_ns"})),
         IntAt(process, "ended_ns") ? "ended" : "runs"});
  }
  const std::int64_t late = Int(status, {"lateness", "late_idle"});
  const Json* served = status.Find("served");
  const bool gone = served != nullptr && served->is_bool() && !served->as_bool();
  return (gone ? "no driver serves this node; this is what the last one wrote\n" : "") +
         Table(rows) +
         fmt::format("{} of {} submits came late to an idle stream, by {} ms together\n", late,
                     Int(status, {"lateness", "submits"}),
                     Milliseconds(Int(status, {"lateness", "late_idle_ns"})));
}

Result<std::string> TraceText(const std::string& root) {
  Refresh(root);
  std::map<std::int64_t, Row> by_pid;
  TRANCHE_TRY(ReadLog(root, [&](const Json& line) { Count(line, &by_pid); }));
  std::vector<std::vector<std::string>> rows{{"PROCESS", "FROM ms", "TO ms", "COMPUTED ms",
                                              "KERNELS", "SWITCHED ms", "IN MiB", "OUT MiB",
                                              "TAKEN MiB", "REFUSED"}};
  for (const auto& [pid, row] : by_pid) {
    rows.push_back({NameOf(pid, row.name), Milliseconds(row.begun), Milliseconds(row.ended),
                    Milliseconds(row.computed), std::to_string(row.kernels),
                    Milliseconds(row.switched), Mebibytes(row.in), Mebibytes(row.out),
                    Mebibytes(row.taken), std::to_string(row.refused)});
  }
  return Table(rows);
}

Result<std::string> ChromeTrace(const std::string& root) {
  Refresh(root);
  ChromeWriter writer;
  TRANCHE_TRY(ReadLog(root, [&](const Json& line) { writer.Add(line); }));
  return writer.Finish();
}

}  // namespace tranche::sim::driver
