// The flags of a daemon after precedence, and what all daemons do with them. Plain values; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/flag_table.h"

namespace tranche::cli {

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

}  // namespace tranche::cli
