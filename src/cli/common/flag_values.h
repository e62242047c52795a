// How every daemon is called: its flags and environment are read, --help, --version and misuse are
// answered, and the log is set.
//
// Threading: plain values; any thread.
// Errors: a misuse is said on standard error; the program then ends with status 1.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "cli/common/flag_table.h"

namespace tranche::cli::common {

struct DaemonProgram {
  std::string name;  // as it is called, for messages
  std::vector<FlagGroup> flags;
  std::function<std::string()> help;
};

struct DaemonCall {
  std::vector<FlagGroup> flags;
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

// The values of a program's flags: what the command line says, else the environment, else the
// default in the table of flags. A flag that is in no table is a broken invariant.
class FlagValues {
 public:
  explicit FlagValues(DaemonCall call) : call_(std::move(call)) {}

  [[nodiscard]] std::string Text(std::string_view flag) const;
  // An empty value counts as not given: the GPU operator's pods set variables so.
  [[nodiscard]] std::string TextUnlessEmpty(std::string_view flag) const;
  [[nodiscard]] bool Bool(std::string_view flag) const;
  // Without empty words.
  [[nodiscard]] std::vector<std::string> List(std::string_view flag) const;

  // As given, for LoadConfig.
  [[nodiscard]] const DaemonCall& call() const { return call_; }

 private:
  [[nodiscard]] const FlagSpec& Find(std::string_view flag) const;

  DaemonCall call_;
};

// By log-level and log-format; the error names the flag and what it may be.
base::Status ConfigureLogging(const FlagValues& values);

}  // namespace tranche::cli::common
