#include "sim/driver/report.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json_read.h"
#include "base/log.h"
#include "sim/driver/record/columns.h"
#include "sim/driver/record/trace.h"
#include "sim/driver/serve.h"

namespace tranche::sim::driver {
namespace {

using base::IntAt;
using base::Json;
using base::Result;

constexpr std::size_t kMaxStatusBytes = 256U << 20U;
constexpr int kAnswerMs = 5000;

std::int64_t Int(const Json& json, const base::JsonPath& path) {
  return IntAt(json, path).value_or(0);
}

Result<Json> ReadStatusFile(const std::string& root) {
  const auto text = base::ReadFile(base::JoinPath(root, kStatusFile), kMaxStatusBytes);
  if (!text.ok()) return text.status().Wrap("no driver has served this node");
  return Json::Parse(*text);
}

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
    Places places;
    for (const Json& context : base::ItemsAt(process, "contexts")) {
      places.emplace(Int(context, "slot"), IntAt(context, "gpu_instance"));
    }
    rows.push_back(
        {NameOf(Int(process, "pid"), base::PrintableAt(process, "name", 32)), PlacesText(places),
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
  return TableOfLog(base::JoinPath(root, kLogFile));
}

Result<std::string> ChromeTrace(const std::string& root) {
  Refresh(root);
  return ChromeTraceOfLog(base::JoinPath(root, kLogFile));
}

}  // namespace tranche::sim::driver
