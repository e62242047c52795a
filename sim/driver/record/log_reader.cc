#include "sim/driver/record/log_reader.h"

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/json_read.h"
#include "base/log.h"

namespace tranche::sim::driver {
namespace {

using base::Code;
using base::IntAt;
using base::Json;

constexpr std::size_t kMaxLogBytes = std::size_t{1} << 40U;
constexpr std::size_t kMaxTimeBytes = 64;

}  // namespace

ProcessKey KeyOf(const DriverRun& run, const Json& line) {
  return {run.number, IntAt(line, "client").value_or(0), IntAt(line, "pid").value_or(0)};
}

void LogReader::Take(const Json& line) {
  const std::string& event = base::TextAt(line, "event");
  if (event == "driver" || !any_) {
    DriverRun run{.number = any_ ? run_.number + 1 : 0};
    if (event == "driver") {
      run.pid = IntAt(line, "pid").value_or(0);
      run.epoch_ns = IntAt(line, "epoch_ns").value_or(0);
      run.time_scale = std::max<std::int64_t>(1, IntAt(line, "time_scale").value_or(1));
      run.time = base::PrintableAt(line, "time", kMaxTimeBytes);
      if (IntAt(line, "file").value_or(0) > 0) run.cut_ns = IntAt(line, "ns").value_or(0);
    }
    // Each file of the log begins with its driver.
    const bool goes_on = any_ && run.pid == run_.pid && run.epoch_ns == run_.epoch_ns;
    if (!goes_on) {
      run_ = run;
      any_ = true;
      begun_(run_);
    }
  }
  if (event != "driver" && event != "totals" && IntAt(line, "pid")) line_(run_, line);
}

base::Status LogReader::Read(const std::string& path) {
  if (!base::Exists(path)) return {Code::kNotFound, "no driver has served this node: " + path};
  for (const std::string& part : {path + ".1", path}) {
    const auto text = base::ReadFile(part, kMaxLogBytes);
    if (!text.ok() && text.status().code() == Code::kNotFound) continue;
    if (!text.ok()) return text.status();
    for (std::string_view left = *text; !left.empty();) {
      const std::size_t end = std::min(left.find('\n'), left.size());
      if (const auto line = Json::Parse(left.substr(0, end)); line.ok()) Take(*line);
      left.remove_prefix(std::min(end + 1, left.size()));
    }
  }
  return base::Status::Ok();
}

}  // namespace tranche::sim::driver
