#include "cli/common/flag_values.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "cli/common/version.h"

namespace tranche::cli::common {

using base::Code;
using base::Status;

std::optional<std::string> Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

int Misuse(const std::string& program, const Status& status) {
  fmt::print(stderr, "{0}: {1}\n(see {0} --help)\n", program, status.message());
  return 1;
}

std::variant<DaemonCall, int> ReadDaemonCall(const DaemonProgram& program,
                                             const std::vector<std::string>& arguments) {
  auto parsed = config::ParseArguments(program.typed, arguments);
  if (!parsed.ok()) return Misuse(program.name, parsed.status());
  if (parsed->help) {
    fmt::print("{}", program.help());
    return 0;
  }
  if (parsed->version) {
    fmt::print("{}\n", VersionLine());
    return 0;
  }
  auto environment = config::EnvironmentOverrides(program.all, Environment);
  if (!environment.ok()) return Misuse(program.name, environment.status());
  return DaemonCall{.environment = std::move(*environment),
                    .command_line = std::move(parsed->overrides)};
}

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

}  // namespace tranche::cli::common
