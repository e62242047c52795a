// AddTopCommand: how `tranche top` is called.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>

#include "cli/common/exit_status.h"
#include "cli/top/terminal.h"
#include "cli/top/top.h"

namespace tranche::cli::top {

namespace {

// The screen needs a terminal to draw on and to read keys from; else it is told once.
bool ScreenWanted(bool once, bool output_named) {
  return !once && !output_named && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 &&
         CanDrawScreens();
}

}  // namespace

void AddTopCommand(CLI::App& app, int& exit_code) {
  struct Typed {
    TopOptions options;
    std::string sort = "busy";
    double interval = 1;
    bool once = false;
  };
  auto typed = std::make_shared<Typed>();
  CLI::App* command = app.add_subcommand(
      "top", "Who uses this node's GPUs, by pod, on a screen that keeps itself up to date");
  command
      ->add_option("--address", typed->options.address,
                   "[host:]port at which tranche node serves; of a pod without the host's network "
                   "the pod's address")
      ->capture_default_str();
  command->add_option("--interval", typed->interval, "Seconds between two looks")
      ->check(CLI::Range(0.2, 3600.0))
      ->capture_default_str();
  command->add_option("--sort", typed->sort, "How pods are sorted: busy, memory, idle or name")
      ->check(CLI::IsMember({"busy", "memory", "idle", "name"}))
      ->capture_default_str();
  command->add_flag("--once", typed->once,
                    "Print one table and end, as where the output is no terminal");
  CLI::Option* output =
      command
          ->add_option(
              "-o,--output", typed->options.output,
              "table, wide, json or yaml; naming one implies --once. json and yaml print the "
              "document of tranche node unchanged")
          ->check(CLI::IsMember({"table", "wide", "json", "yaml"}))
          ->capture_default_str();
  command->footer(
      "Keys: q quits, s sorts otherwise, arrows and PgUp/PgDn scroll, ? tells of all.\n"
      "NO_COLOR in the environment: no colour. TERM=dumb: one table, as --once.\n" +
      common::ExitStatus("tranche top") +
      "Examples:\n"
      "  tranche top\n"
      "  tranche top --once --sort memory\n"
      "  tranche top --address 10.0.3.7:9436\n"
      "  tranche top -o json | jq '.devices[].pods[] | select(.busyPercent == 0)'");
  command->callback([typed, output, &exit_code] {
    TopOptions& options = typed->options;
    options.sort = ParseSort(typed->sort).value_or(Sort::kBusy);
    options.interval =
        std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(typed->interval));
    options.looks = LooksOfOutput();
    std::signal(SIGPIPE, SIG_IGN);
    exit_code = ScreenWanted(typed->once, output->count() > 0)
                    ? TopScreen(options, std::cerr)
                    : TopOnce(options, std::cout, std::cerr);
  });
}

}  // namespace tranche::cli::top
