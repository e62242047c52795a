#include "cli/flag_values.h"

#include "base/log.h"

namespace tranche::cli {

using base::Code;
using base::Status;

std::vector<std::string> FlagValues::List(std::string_view flag) const {
  for (const auto* overrides : {&command_line_, &environment_}) {
    for (const config::Override& given : *overrides) {
      if (given.flag == flag) return given.values;
    }
  }
  return {};
}

Status ConfigureLogging(const FlagValues& values) {
  const std::string level = values.Text("log-level", "info");
  const std::string format = values.Text("log-format", "text");
  base::LogLevel minimum = base::LogLevel::kInfo;
  if (level == "debug") {
    minimum = base::LogLevel::kDebug;
  } else if (level == "warning") {
    minimum = base::LogLevel::kWarning;
  } else if (level == "error") {
    minimum = base::LogLevel::kError;
  } else if (level != "info") {
    return {
        Code::kInvalidArgument,
        "--log-level (TRANCHE_LOG_LEVEL) is debug, info, warning or error, not '" + level + "'"};
  }
  if (format != "text" && format != "json") {
    return {Code::kInvalidArgument,
            "--log-format (TRANCHE_LOG_FORMAT) is text or json, not '" + format + "'"};
  }
  base::ConfigureLog(minimum, format == "json" ? base::LogFormat::kJson : base::LogFormat::kText);
  return Status::Ok();
}

}  // namespace tranche::cli
