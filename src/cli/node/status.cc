#include "cli/node/status.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "cli/common/exit_status.h"
#include "cli/common/table.h"

namespace tranche::cli::node {

namespace {

using base::Json;

constexpr std::size_t kMaxStatusBytes = 8U << 20U;
constexpr std::size_t kMaxRows = 1024;
constexpr std::size_t kMaxEvents = 20;  // the newest
constexpr std::size_t kMaxTextBytes = 400;

std::string Text(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  if (value == nullptr || !value->is_string()) return {};
  return base::Printable(value->as_string(), kMaxTextBytes);
}

bool Flag(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

std::optional<double> Number(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  if (value == nullptr || !(value->is_int() || value->is_double())) return std::nullopt;
  return value->as_double();
}

std::string Count(const Json& json, std::string_view key) {
  const std::optional<double> value = Number(json, key);
  return value ? fmt::format("{:.0f}", *value) : "?";
}

Json Member(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  return value != nullptr ? *value : Json();
}

Json::Array Items(const Json& json, std::string_view key) {
  const Json value = Member(json, key);
  if (!value.is_array()) return {};
  Json::Array items = value.as_array();
  if (items.size() > kMaxRows) items.resize(kMaxRows);
  return items;
}

std::vector<std::string> Lines(const Json& json, std::string_view key) {
  std::vector<std::string> lines;
  for (const Json& item : Items(json, key)) {
    if (item.is_string()) lines.push_back(base::Printable(item.as_string(), kMaxTextBytes));
  }
  return lines;
}

std::string Memory(const Json& gpu) {
  const std::optional<double> bytes = Number(gpu, "memoryBytes");
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
  const int code = StatusExitCode(status);
  std::string word = Flag(status, "ready") ? "ready" : "not ready";
  cli::common::Tint tint =
      Flag(status, "ready") ? cli::common::Tint::kGood : cli::common::Tint::kBad;
  if (Flag(status, "ready") && code != kStatusWell) {
    word = "ready, but not all is as asked for";
    tint = cli::common::Tint::kWarn;
  }
  const std::string node = Text(status, "nodeName");
  std::string line =
      fmt::format("tranche {}{}{}: {}", Text(status, "version"), node.empty() ? "" : " on ", node,
                  cli::common::Tinted(word, tint, view.color));
  if (view.age) {
    line += cli::common::Tinted(fmt::format("  (told {} ago)", AgeText(*view.age)),
                                cli::common::Tint::kFaint, view.color);
  }
  return line + "\n";
}

std::string ProfileText(const Json& config) {
  if (!Flag(config, "usable")) return "none in force";
  const std::string profile = Text(config, "profile");
  const std::string source = Text(config, "source");
  std::string text = source.empty() ? "none named: GPUs are not shared" : source;
  if (!profile.empty()) text = fmt::format("{} ({})", profile, source);
  if (Flag(config, "fromLastGood")) {
    const std::string wanted = Text(config, "wantedProfile");
    text += !Text(config, "awaiting").empty()
                ? "; the last good one, until it is known what is wanted"
                : "; the last good one, instead of " +
                      (wanted.empty() ? Text(config, "wantedSource") : wanted);
  }
  return text;
}

// Which profile the cluster asks for, and whether it is still heard.
std::string Kubernetes(const Json& status) {
  const Json kubernetes = Member(status, "kubernetes");
  if (!kubernetes.is_object()) return {};
  std::string out = fmt::format("  API      {}\n", Text(kubernetes, "api"));
  if (const std::string key = Text(kubernetes, "nodeLabel"); !key.empty()) {
    const bool seen = Member(kubernetes, "labelValue").is_string();
    const std::string value = Text(kubernetes, "labelValue");
    out += fmt::format("  label    {}{}\n", key,
                       !seen           ? ": not seen yet"
                       : value.empty() ? ": none"
                                       : "=" + value);
  }
  if (const std::string policy = Text(kubernetes, "clusterPolicy"); !policy.empty()) {
    out += fmt::format("  policy   {}\n", policy);
  }
  if (const std::string map = Text(kubernetes, "configMap"); !map.empty()) {
    const std::string version = Text(kubernetes, "configMapResourceVersion");
    out += fmt::format("  profiles configmap {}{}\n", map,
                       version.empty() ? "" : ", version " + version);
  }
  if (const std::string events = Text(kubernetes, "events"); !events.empty()) {
    out += fmt::format("  events   {}\n", events);
  }
  return out;
}

std::string Facts(const Json& status) {
  const Json driver = Member(status, "driver");
  std::string driver_text = "not ready";
  if (Flag(driver, "ready")) {
    driver_text = fmt::format("{}, CUDA {}", Text(driver, "version"), Text(driver, "cudaVersion"));
  }
  const Json holders = Member(status, "holders");
  std::string holders_text = "known";
  if (!Flag(holders, "known")) {
    const std::string error = Text(holders, "error");
    holders_text = error.empty() ? "unknown" : "unknown: " + error;
  }
  std::string out = fmt::format("  profile  {}\n  driver   {}\n  holders  {}\n",
                                ProfileText(Member(status, "config")), driver_text, holders_text);
  out += Kubernetes(status);
  if (const std::string started = Text(status, "started"); !started.empty()) {
    out += fmt::format("  started  {}\n", started);
  }
  if (const std::string predecessor = Text(status, "predecessor"); !predecessor.empty()) {
    out += fmt::format("  taking over from {}\n", predecessor);
  }
  return out;
}

std::string Resources(const Json& status, bool color) {
  std::vector<std::vector<cli::common::Cell>> rows = {{{"RESOURCE"},
                                                       {"STATE"},
                                                       {"ADVERTISED"},
                                                       {"HEALTHY"},
                                                       {"HELD"},
                                                       {"ALLOCATIONS"},
                                                       {"REFUSED"}}};
  for (const Json& resource : Items(status, "resources")) {
    const std::string phase = Text(resource, "phase");
    const bool all_healthy = Number(resource, "devices") == Number(resource, "healthy");
    rows.push_back(
        {{Text(resource, "name"), cli::common::Tint::kBold},
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
  if (!Text(gpu, "error").empty()) return {"not advertised", cli::common::Tint::kBad};
  if (Flag(gpu, "lost")) return {"lost", cli::common::Tint::kBad};
  return Flag(gpu, "healthy") ? cli::common::Cell{"healthy", cli::common::Tint::kGood}
                              : cli::common::Cell{"unhealthy", cli::common::Tint::kBad};
}

std::string GpuReason(const Json& gpu) {
  std::string reason = Text(gpu, "error");
  if (reason.empty() && !Flag(gpu, "healthy")) reason = Text(gpu, "reason");
  if (const std::optional<double> wait = Number(gpu, "healthyInSeconds")) {
    reason +=
        fmt::format("{}healthy again in {:.0f} s", reason.empty() ? "" : "; ", std::ceil(*wait));
  }
  return reason;
}

std::string Gpus(const Json& status, bool color) {
  std::vector<std::vector<cli::common::Cell>> rows = {
      {{"GPU"}, {"MODEL"}, {"MEMORY"}, {"HEALTH"}, {"UUID"}, {"REASON"}}};
  bool any_reason = false;
  for (const Json& gpu : Items(status, "gpus")) {
    const std::string reason = GpuReason(gpu);
    any_reason = any_reason || !reason.empty();
    rows.push_back({{Text(gpu, "index"), cli::common::Tint::kBold},
                    {Text(gpu, "name")},
                    {Memory(gpu)},
                    GpuHealth(gpu),
                    {Text(gpu, "uuid")},
                    {reason}});
  }
  if (!any_reason) rows.front().pop_back();
  return rows.size() == 1 ? "\nNo GPUs.\n" : "\n" + cli::common::Table(rows, color);
}

std::string Section(std::string_view title, const std::vector<std::string>& lines,
                    cli::common::Tint tint, bool color) {
  if (lines.empty()) return {};
  std::string out = fmt::format("\n{}\n", cli::common::Tinted(title, tint, color));
  for (const std::string& line : lines) out += "  " + line + "\n";
  return out;
}

std::string Events(const Json& status, bool color) {
  Json::Array events = Items(status, "events");
  if (events.empty()) return {};
  if (events.size() > kMaxEvents) {
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kMaxEvents));
  }
  std::vector<std::vector<cli::common::Cell>> rows = {
      {{"WHEN"}, {"EVENT"}, {"COUNT"}, {"MESSAGE"}}};
  for (const Json& event : events) {
    const bool warning = Text(event, "type") == "Warning";
    rows.push_back(
        {{Text(event, "time")},
         {Text(event, "reason"), warning ? cli::common::Tint::kWarn : cli::common::Tint::kNone},
         {Count(event, "count")},
         {Text(event, "message")}});
  }
  return "\n" + cli::common::Table(rows, color);
}

std::optional<std::chrono::seconds> AgeOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(0, std::time(nullptr) - info.st_mtime));
}

bool ColorWanted() {
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org
  return (no_color == nullptr || *no_color == '\0') && isatty(STDOUT_FILENO) == 1;
}

}  // namespace

int StatusExitCode(const Json& status) {
  const Json degraded = Member(status, "degraded");
  const bool well = degraded.is_array() && degraded.as_array().empty();
  return Flag(status, "ready") && well ? kStatusWell : kStatusDegraded;
}

std::string RenderStatus(const Json& status, const StatusView& view) {
  const std::vector<std::string> warnings = Lines(Member(status, "config"), "warnings");
  // The agent's own standing warnings are among the reasons already.
  return Headline(status, view) + Facts(status) + Resources(status, view.color) +
         Gpus(status, view.color) +
         Section("Not as asked for:", Lines(status, "degraded"), cli::common::Tint::kWarn,
                 view.color) +
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
  if (Text(*status, "kind") != "AgentStatus") return fail(path + " is not an agent's status");
  if (Text(*status, "apiVersion") != "tranche.dev/v1") {
    return fail(path +
                " is of a version that this program does not know: " + Text(*status, "apiVersion"));
  }
  if (options.json) {
    out << status->Dump(2) << "\n";
  } else {
    out << RenderStatus(*status, {.color = options.color, .age = AgeOf(path)});
  }
  return StatusExitCode(*status);
}

void AddStatusCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<StatusOptions>();
  auto output = std::make_shared<std::string>("text");
  CLI::App* command = app.add_subcommand(
      "status", "What the agent on this node serves, and what is not as asked for");
  command->add_option("--run-dir", options->run_directory, "The agent's run directory")
      ->capture_default_str();
  command->add_option("-o,--output", *output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(common::ExitStatus("tranche status"));
  command->callback([options, output, &exit_code] {
    options->json = *output == "json";
    options->color = ColorWanted();
    exit_code = ShowStatus(*options, std::cout, std::cerr);
  });
}

}  // namespace tranche::cli::node
