// AddDemoCommand: how `tranche demo` is called.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/common/exit_status.h"
#include "cli/common/table.h"
#include "cli/node/demo.h"

namespace tranche::cli::node {

void AddDemoCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* demo = app.add_subcommand(
      "demo", "Show GPUs being shared, on this machine's own or on a simulated node");
  demo->add_option(
      "--node", options->node,
      "node profile to simulate: a shipped one (tranche sim profiles) or a file; default: "
      "this machine's GPUs if it has any, else a100x2");
  demo->add_flag("--keep", options->keep, "stay running afterwards, to play with");
  demo->add_flag("--force", options->force, "also where a kubelet serves this machine");
  demo->footer(common::ExitStatus("tranche demo") +
               "\n"
               "Examples:\n  tranche demo\n  tranche demo --node h100x8\n  tranche demo --keep");
  demo->callback([options, &exit_code] {
    options->color = common::ColorOfOutput();
    exit_code = RunDemo(*options);
  });
}

}  // namespace tranche::cli::node
