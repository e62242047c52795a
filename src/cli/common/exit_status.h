// What the exit statuses of each command mean: for its --help, and for
// docs/reference/exit-codes.md.
//
// Threading: constants.
// Errors: a command that is not in the table is a broken invariant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tranche::cli::common {

struct ExitStatusText {
  std::string_view command;
  std::string_view meaning;  // "0 done; 1 it failed"
};

std::span<const ExitStatusText> ExitStatuses();

// "Exit status: 0 done; 1 it failed.\n", in lines as --help has them.
std::string ExitStatus(std::string_view command);

}  // namespace tranche::cli::common
