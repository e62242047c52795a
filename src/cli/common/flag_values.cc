#include "cli/common/flag_values.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

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
  auto parsed = ParseArguments(program.flags, arguments);
  if (!parsed.ok()) return Misuse(program.name, parsed.status());
  if (parsed->help) {
    fmt::print("{}", program.help());
    return 0;
  }
  if (parsed->version) {
    fmt::print("{}\n", VersionLine());
    return 0;
  }
  auto environment = EnvironmentOverrides(program.flags, Environment);
  if (!environment.ok()) return Misuse(program.name, environment.status());
  return DaemonCall{.flags = program.flags,
                    .environment = std::move(*environment),
                    .command_line = std::move(parsed->overrides)};
}

const FlagSpec& FlagValues::Find(std::string_view flag) const {
  const FlagSpec* found = nullptr;
  for (const FlagGroup& group : call_.flags) {
    for (const FlagSpec& one : group.flags) {
      if (found == nullptr && one.name == flag) found = &one;
    }
  }
  TRANCHE_CHECK(found != nullptr);
  return *found;
}

std::string FlagValues::Text(std::string_view flag) const {
  const FlagSpec& spec = Find(flag);
  return FlagValue(flag, call_.environment, call_.command_line).value_or(spec.default_value);
}

std::string FlagValues::TextUnlessEmpty(std::string_view flag) const {
  std::string value = Text(flag);
  return value.empty() ? Find(flag).default_value : value;
}

// How upstream reads a bool was settled when the flags were parsed: it is "true" or "false" here.
bool FlagValues::Bool(std::string_view flag) const { return Text(flag) == "true"; }

std::vector<std::string> FlagValues::List(std::string_view flag) const {
  const FlagSpec& spec = Find(flag);
  std::vector<std::string> words;
  std::istringstream by_default(spec.default_value);
  for (std::string word; std::getline(by_default, word, ',');) words.push_back(word);
  for (const auto* overrides : {&call_.environment, &call_.command_line}) {
    for (const config::Override& given : *overrides) {
      if (given.flag == flag) words = given.values;
    }
  }
  std::erase(words, "");
  return words;
}

Status ConfigureLogging(const FlagValues& values) {
  const std::string level = values.Text("log-level");
  const std::string format = values.Text("log-format");
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
