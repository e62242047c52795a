// `tranche top`: who is on this node's GPUs, on a screen that keeps itself up to date, or once.
//
// It asks `tranche node` by HTTP, as Prometheus does, and only reads. A question without an answer
// is asked again, and the last figures stay on the screen with a line that says how old they are.
//
// Threading: one thread.
// Errors: exit code 2 where --once has no answer, or the screen cannot be drawn; 1 where --once was
// told of something degraded; else 0.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

#include "base/event_loop.h"
#include "cli/common/defaults.h"
#include "cli/top/frame.h"
#include "cli/top/tables.h"
#include "cli/top/use.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::top {

struct TopOptions {
  std::string address = "127.0.0.1:" + std::to_string(common::kNodePort);
  base::Duration interval = std::chrono::seconds(1);
  Sort sort = Sort::kBusy;
  std::string output = "table";  // of TopOnce: table, wide, json or yaml
  Looks looks;
};

int TopOnce(const TopOptions& options, std::ostream& out, std::ostream& errors);
// On the terminal of standard input and output.
int TopScreen(const TopOptions& options, std::ostream& errors);

// The figures of a node as `tranche top --once` prints them.
std::string ShowOnce(const NodeUse& node, const TableView& view);

// Adds the subcommand; `exit_code` is set when it was the one typed.
void AddTopCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::top
