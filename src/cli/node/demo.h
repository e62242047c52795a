// `tranche demo`: the whole story of sharing GPUs by time, told in the terminal in about 20
// seconds. Times are shown, not judged.
//
// Threading: one thread, and those of the programs that it starts.
// Errors: exit code 1 where a step did not happen as told, 2 where the stage could not be set up
// (the reason is said); else 0.
#pragma once

#include <string>

#include "cli/common/table.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::node {

struct DemoOptions {
  std::string node;    // a node profile, shipped or a file; "": real GPUs, else a100x2
  bool keep = false;   // stay, to play with, until interrupted
  bool force = false;  // also where a kubelet serves this machine
  cli::common::Color color = cli::common::Color::kOff;
};

int RunDemo(const DemoOptions& options);

// Adds the subcommand; `exit_code` is set when it was the one typed.
void AddDemoCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::node
