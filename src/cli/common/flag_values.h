// Reads how a daemon is called: its flags and environment. It answers --help, --version and misuse,
// and sets the log.
//
// Threading: before the first thread starts; FlagValues may be read on any thread.
// Errors: a wrong call is reported on standard error, and its exit status returned.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "config/flag_table.h"

namespace tranche::cli::common {

struct DaemonProgram {
  std::string name;                      // as it is called, for messages
  std::vector<config::FlagGroup> typed;  // what the command line takes
  std::vector<config::FlagGroup> all;    // and what the environment takes
  std::function<std::string()> help;
};

struct DaemonCall {
  std::vector<config::Override> environment;
  std::vector<config::Override> command_line;
};

// `arguments`: after the program's name. An int is the exit status of a call that is answered.
std::variant<DaemonCall, int> ReadDaemonCall(const DaemonProgram& program,
                                             const std::vector<std::string>& arguments);
// Says on standard error what is wrong with the call; its exit status.
int Misuse(const std::string& program, const base::Status& status);
// The variable, empty or not, where it is set.
std::optional<std::string> Environment(const std::string& name);

// After precedence.
class FlagValues {
 public:
  // Both outlive this.
  FlagValues(const std::vector<config::Override>& environment,
             const std::vector<config::Override>& command_line)
      : environment_(environment), command_line_(command_line) {}

  [[nodiscard]] std::string Text(std::string_view flag, std::string fallback = "") const {
    return config::FlagValue(flag, environment_, command_line_).value_or(std::move(fallback));
  }
  [[nodiscard]] std::vector<std::string> List(std::string_view flag) const;

 private:
  const std::vector<config::Override>& environment_;
  const std::vector<config::Override>& command_line_;
};

// By log-level and log-format; the error names the flag and what it may be.
base::Status ConfigureLogging(const FlagValues& values);

}  // namespace tranche::cli::common
