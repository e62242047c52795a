#include "cli/node/status.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <ctime>
#include <iostream>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/document/api_version.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/log.h"
#include "cli/common/exit_status.h"
#include "cli/common/table.h"
#include "daemon/status_file.h"

namespace tranche::cli::node {

namespace {

using base::BoolAt;
using base::Json;
using base::NumberAt;
using base::ValueAt;

constexpr std::size_t kMaxStatusBytes = 8U << 20U;
constexpr std::size_t kMaxRows = 1024;
constexpr std::size_t kMaxEvents = 20;  // the newest
constexpr std::size_t kMaxTextBytes = 400;

// Text for the terminal.
std::string Shown(const Json& json, const base::JsonPath& path) {
  return base::PrintableAt(json, path, kMaxTextBytes);
}

std::string Count(const Json& json, std::string_view key) {
  const std::optional<double> value = NumberAt(json, key);
  return value ? fmt::format("{:.0f}", *value) : "?";
}

std::span<const Json> Rows(const Json& json, const base::JsonPath& path) {
  const std::span<const Json> items(base::ItemsAt(json, path));
  return items.first(std::min(items.size(), kMaxRows));
}

std::vector<std::string> Lines(const Json& json, const base::JsonPath& path) {
  std::vector<std::string> lines;
  for (const Json& item : Rows(json, path)) {
    if (item.is_string()) lines.push_back(base::Printable(item.as_string(), kMaxTextBytes));
  }
  return lines;
}

std::string Memory(const Json& gpu) {
  const std::optional<double> bytes = NumberAt(gpu, "memoryBytes");
  if (!bytes || *bytes <= 0) return {};
  constexpr double kMiB = 1024.0 * 1024.0;
  if (*bytes < 1024 * kMiB) return fmt::format("{:.0f} MiB", *bytes / kMiB);
  return fmt::format("{:.1f} GiB", *bytes / kMiB / 1024.0);
}

std::string AgeText(std::chrono::seconds age) {
  if (age < std::chrono::minutes(2)) return fmt::format("{} s", age.count());
  if (age < std::chrono::hours(2)) return fmt::format("{} min", age.count() / 60);
  return fmt::format("{} h", age.count() / 3600);
}

std::string Headline(const Json& status, const StatusView& view) {
  const int code = StatusExitCode(status, view);
  std::string word = BoolAt(status, "ready") ? "ready" : "not ready";
  cli::common::Tint tint =
      BoolAt(status, "ready") ? cli::common::Tint::kGood : cli::common::Tint::kBad;
  if (BoolAt(status, "ready") && code != kStatusWell) {
    word = "ready, degraded";
    tint = cli::common::Tint::kWarn;
  }
  if (view.TooOld()) {
    word = "does not answer";
    tint = cli::common::Tint::kBad;
  }
  const std::string node = Shown(status, "nodeName");
  std::string line =
      fmt::format("tranche {}{}{}: {}", Shown(status, "version"), node.empty() ? "" : " on ", node,
                  cli::common::Tinted(word, tint, view.color));
  if (view.age) {
    line += cli::common::Tinted(fmt::format("  (told {} ago)", AgeText(*view.age)),
                                cli::common::Tint::kFaint, view.color);
  }
  return line + "\n";
}

std::string ProfileText(const Json& config) {
  if (!BoolAt(config, "usable")) return "none in force";
  const std::string profile = Shown(config, "profile");
  const std::string source = Shown(config, "source");
  std::string text = source.empty() ? "none named: GPUs are not shared" : source;
  if (!profile.empty()) text = fmt::format("{} ({})", profile, source);
  if (BoolAt(config, "fromLastGood")) {
    const std::string wanted = Shown(config, "wantedProfile");
    text += !Shown(config, "awaiting").empty()
                ? "; the last good one, until it is known what is wanted"
                : "; the last good one, instead of " +
                      (wanted.empty() ? Shown(config, "wantedSource") : wanted);
  }
  return text;
}

// Which profile the cluster asks for, and whether it is still heard.
std::string Kubernetes(const Json& status) {
  const Json& kubernetes = ValueAt(status, "kubernetes");
  if (!kubernetes.is_object()) return {};
  std::string out = fmt::format("  API      {}\n", Shown(kubernetes, "api"));
  if (const std::string key = Shown(kubernetes, "nodeLabel"); !key.empty()) {
    const bool seen = ValueAt(kubernetes, "labelValue").is_string();
    const std::string value = Shown(kubernetes, "labelValue");
    out += fmt::format("  label    {}{}\n", key,
                       !seen           ? ": not seen yet"
                       : value.empty() ? ": none"
                                       : "=" + value);
  }
  if (const std::string policy = Shown(kubernetes, "clusterPolicy"); !policy.empty()) {
    out += fmt::format("  policy   {}\n", policy);
  }
  if (const std::string map = Shown(kubernetes, "configMap"); !map.empty()) {
    const std::string version = Shown(kubernetes, "configMapResourceVersion");
    out += fmt::format("  profiles configmap {}{}\n", map,
                       version.empty() ? "" : ", version " + version);
  }
  if (const std::string events = Shown(kubernetes, "events"); !events.empty()) {
    out += fmt::format("  events   {}\n", events);
  }
  return out;
}

std::string Facts(const Json& status) {
  const Json& driver = ValueAt(status, "driver");
  std::string driver_text = "not ready";
  if (BoolAt(driver, "ready")) {
    driver_text =
        fmt::format("{}, CUDA {}", Shown(driver, "version"), Shown(driver, "cudaVersion"));
  }
  const Json& holders = ValueAt(status, "holders");
  std::string holders_text = "known";
  if (!BoolAt(holders, "known")) {
    const std::string error = Shown(holders, "error");
    holders_text = error.empty() ? "unknown" : "unknown: " + error;
  }
  std::string out = fmt::format("  profile  {}\n  driver   {}\n  pods     {}\n",
                                ProfileText(ValueAt(status, "config")), driver_text, holders_text);
  out += Kubernetes(status);
  if (const std::string started = Shown(status, "started"); !started.empty()) {
    out += fmt::format("  started  {}\n", started);
  }
  if (const std::string predecessor = Shown(status, "predecessor"); !predecessor.empty()) {
    out += fmt::format("  taking over from {}\n", predecessor);
  }
  return out;
}

std::string Resources(const Json& status, cli::common::Color color) {
  std::vector<std::vector<cli::common::Cell>> rows = {{{"RESOURCE"},
                                                       {"STATE"},
                                                       {"ADVERTISED"},
                                                       {"HEALTHY"},
                                                       {"HELD"},
                                                       {"ALLOCATIONS"},
                                                       {"REFUSED"}}};
  for (const Json& resource : Rows(status, "resources")) {
    const std::string phase = Shown(resource, "phase");
    const bool all_healthy = NumberAt(resource, "devices") == NumberAt(resource, "healthy");
    rows.push_back(
        {{Shown(resource, "name"), cli::common::Tint::kBold},
         {phase, phase == "serving" ? cli::common::Tint::kGood : cli::common::Tint::kWarn},
         {Count(resource, "devices")},
         {Count(resource, "healthy"),
          all_healthy ? cli::common::Tint::kGood : cli::common::Tint::kBad},
         {Count(resource, "held")},
         {Count(resource, "allocations")},
         {Count(resource, "refusals")}});
  }
  return rows.size() == 1 ? "\nNo resources.\n" : "\n" + cli::common::Table(rows, color);
}

cli::common::Cell GpuHealth(const Json& gpu) {
  if (!Shown(gpu, "error").empty()) return {"not advertised", cli::common::Tint::kBad};
  if (BoolAt(gpu, "lost")) return {"lost", cli::common::Tint::kBad};
  return BoolAt(gpu, "healthy") ? cli::common::Cell{"healthy", cli::common::Tint::kGood}
                                : cli::common::Cell{"unhealthy", cli::common::Tint::kBad};
}

std::string GpuReason(const Json& gpu) {
  std::string reason = Shown(gpu, "error");
  if (reason.empty() && !BoolAt(gpu, "healthy")) reason = Shown(gpu, "reason");
  if (const std::optional<double> wait = NumberAt(gpu, "healthyInSeconds")) {
    reason +=
        fmt::format("{}healthy again in {:.0f} s", reason.empty() ? "" : "; ", std::ceil(*wait));
  }
  return reason;
}

std::string Gpus(const Json& status, cli::common::Color color) {
  std::vector<std::vector<cli::common::Cell>> rows = {
      {{"GPU"}, {"MODEL"}, {"MEMORY"}, {"HEALTH"}, {"UUID"}, {"REASON"}}};
  bool any_reason = false;
  for (const Json& gpu : Rows(status, "gpus")) {
    const std::string reason = GpuReason(gpu);
    any_reason = any_reason || !reason.empty();
    rows.push_back({{Shown(gpu, "index"), cli::common::Tint::kBold},
                    {Shown(gpu, "name")},
                    {Memory(gpu)},
                    GpuHealth(gpu),
                    {Shown(gpu, "uuid")},
                    {reason}});
  }
  if (!any_reason) rows.front().pop_back();
  return rows.size() == 1 ? "\nNo GPUs.\n" : "\n" + cli::common::Table(rows, color);
}

std::string Section(std::string_view title, const std::vector<std::string>& lines,
                    cli::common::Tint tint, cli::common::Color color) {
  if (lines.empty()) return {};
  std::string out = fmt::format("\n{}\n", cli::common::Tinted(title, tint, color));
  for (const std::string& line : lines) out += "  " + line + "\n";
  return out;
}

std::string Events(const Json& status, cli::common::Color color) {
  const std::span<const Json> events = Rows(status, "events");
  if (events.empty()) return {};
  std::vector<std::vector<cli::common::Cell>> rows = {
      {{"WHEN"}, {"EVENT"}, {"COUNT"}, {"MESSAGE"}}};
  for (const Json& event : events.last(std::min(events.size(), kMaxEvents))) {
    const bool warning = Shown(event, "type") == "Warning";
    rows.push_back(
        {{Shown(event, "time")},
         {Shown(event, "reason"), warning ? cli::common::Tint::kWarn : cli::common::Tint::kNone},
         {Count(event, "count")},
         {Shown(event, "message")}});
  }
  return "\n" + cli::common::Table(rows, color);
}

std::optional<std::chrono::seconds> AgeOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(0, std::time(nullptr) - info.st_mtime));
}

}  // namespace

int StatusExitCode(const Json& status, const StatusView& view) {
  if (view.TooOld()) return kStatusDegraded;
  const Json& degraded = ValueAt(status, "degraded");
  const bool well = degraded.is_array() && degraded.as_array().empty();
  return BoolAt(status, "ready") && well ? kStatusWell : kStatusDegraded;
}

std::string RenderStatus(const Json& status, const StatusView& view) {
  const std::vector<std::string> warnings = Lines(status, {"config", "warnings"});
  // The agent's own standing warnings are among the reasons already.
  return Headline(status, view) + Facts(status) + Resources(status, view.color) +
         Gpus(status, view.color) +
         Section("Degraded:", Lines(status, "degraded"), cli::common::Tint::kWarn, view.color) +
         Section("Warnings of the config:", warnings, cli::common::Tint::kBold, view.color) +
         Events(status, view.color);
}

int ShowStatus(const StatusOptions& options, std::ostream& out, std::ostream& errors) {
  const std::string path = base::JoinPath(options.run_directory, "status.json");
  const auto fail = [&](const std::string& why) {
    errors << "tranche status: " << base::Printable(why) << "\n";
    return kStatusNoAgent;
  };
  const base::Result<std::string> text = base::ReadFile(path, kMaxStatusBytes);
  if (text.status().code() == base::Code::kNotFound) {
    return fail("no agent has run here: there is no " + path);
  }
  if (!text.ok()) return fail(text.status().message());
  const base::Result<Json> status = Json::Parse(*text);
  if (!status.ok()) return fail(path + " cannot be read: " + status.status().message());
  if (Shown(*status, "kind") != "AgentStatus") return fail(path + " is not an agent's status");
  if (Shown(*status, "apiVersion") != base::document::kApiVersion) {
    return fail(
        path + " is of a version that this program does not know: " + Shown(*status, "apiVersion"));
  }
  const StatusView view{.color = options.color, .age = AgeOf(path)};
  if (daemon::StatusWriter(options.run_directory) == daemon::Writer::kGone) {
    return fail("the agent has gone without a word: " + path + " is from " +
                (view.age ? AgeText(*view.age) + " ago" : "an earlier one"));
  }
  if (options.json) {
    out << status->Dump(2) << "\n";
  } else {
    out << RenderStatus(*status, view);
  }
  return StatusExitCode(*status, view);
}

void AddStatusCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<StatusOptions>();
  auto output = std::make_shared<std::string>("text");
  CLI::App* command = app.add_subcommand(
      "status", "What the agent on this node serves, and why it is degraded, if it is");
  command->add_option("--run-dir", options->run_directory, "The agent's run directory")
      ->capture_default_str();
  command->add_option("-o,--output", *output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(common::ExitStatus("tranche status"));
  command->callback([options, output, &exit_code] {
    options->json = *output == "json";
    options->color = cli::common::ColorOfOutput();
    exit_code = ShowStatus(*options, std::cout, std::cerr);
  });
}

}  // namespace tranche::cli::node
