#include "cli/node/demo_driver.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/json_read.h"
#include "cli/node/demo_gpu.h"
#include "sim/driver/serve.h"
#include "sim/stage/stage.h"

namespace tranche::cli::node {
namespace {

using base::Json;
using base::Result;

constexpr std::size_t kMaxLog = 256U << 20U;
constexpr char kRefused[] = R"("what":"refused")";

std::string OfProcess(pid_t pid) { return fmt::format(R"("pid":{},)", pid); }

}  // namespace

Result<Json> DemoDriver::Accounts() {
  const std::string path = base::JoinPath(stage_.driver_root(), tranche::sim::driver::kStatusFile);
  const auto driver = static_cast<pid_t>(stage_.node()->Read().header.driver_pid);
  if (driver <= 0) return NotAsTold("no driver serves the simulated node");
  unlink(path.c_str());
  kill(driver, SIGUSR1);  // it writes its accounts at once
  if (!stage_.Until([&] { return base::Exists(path); })) {
    return NotAsTold("the driver does not give its accounts");
  }
  auto text = base::ReadFile(path, kMaxLog);
  return text.ok() ? Json::Parse(*text) : Result<Json>(text.status());
}

Result<std::map<std::string, double>> DemoDriver::Computed(
    const std::map<std::string, pid_t>& pods) {
  auto accounts = Accounts();
  if (!accounts.ok()) return accounts.status();
  std::map<std::string, double> computed;
  const Json* processes = accounts->Find("processes");
  if (processes == nullptr || !processes->is_array())
    return NotAsTold("accounts without processes");
  for (const Json& process : processes->as_array()) {
    const Json* pid = process.Find("pid");
    const Json* time = process.Find("computed_ns");
    if (pid == nullptr || time == nullptr || time->as_double() <= 0) continue;
    for (const auto& [name, leader] : pods) {
      if (getsid(static_cast<pid_t>(pid->as_int())) == leader) computed[name] += time->as_double();
    }
  }
  return computed;
}

Result<std::vector<Json>> DemoDriver::Lines(const std::string& part) {
  if (const auto accounts = Accounts(); !accounts.ok()) return accounts.status();  // and flush
  auto text =
      base::ReadFile(base::JoinPath(stage_.driver_root(), tranche::sim::driver::kLogFile), kMaxLog);
  if (!text.ok()) return text.status();
  std::vector<Json> found;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(part) == std::string::npos) continue;
    auto parsed = Json::Parse(line);
    if (!parsed.ok()) return parsed.status();
    found.push_back(std::move(*parsed));
  }
  return found;
}

Result<Json> DemoDriver::LastRefusal() {
  auto refusals = Lines(kRefused);
  if (!refusals.ok()) return refusals.status();
  if (refusals->empty()) return NotAsTold("the driver's log has no refusal of memory");
  return std::move(refusals->back());
}

Result<std::size_t> DemoDriver::Refusals(pid_t pid) {
  const auto refusals = Lines(kRefused);
  if (!refusals.ok()) return refusals.status();
  return static_cast<std::size_t>(std::ranges::count_if(
      *refusals, [pid](const Json& line) { return base::IntAt(line, "pid").value_or(0) == pid; }));
}

Result<std::int64_t> DemoDriver::MostHeld(pid_t pid) {
  const auto lines = Lines(OfProcess(pid));
  if (!lines.ok()) return lines.status();
  std::int64_t now = 0;
  std::int64_t most = 0;
  for (const Json& line : *lines) {
    const std::string& event = base::TextAt(line, "event");
    const std::string& what = base::TextAt(line, "what");
    const std::int64_t taken = base::IntAt(line, "taken_bytes").value_or(0);
    if (event == "context" || (event == "memory" && what == "taken")) now += taken;
    if (event == "memory" && what == "freed") now -= taken;
    if (event == "context_end") now -= base::IntAt(line, "freed_bytes").value_or(0);
    if (event == "process_end") now = 0;
    most = std::max(most, now);
  }
  if (most == 0) return NotAsTold(fmt::format("the driver's log has no memory of pid {}", pid));
  return most;
}

}  // namespace tranche::cli::node
