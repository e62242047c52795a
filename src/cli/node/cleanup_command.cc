// The command line of `tranche cleanup`, and the kubelet whom it asks.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "base/event_loop.h"
#include "cli/common/exit_status.h"
#include "cli/node/cleanup.h"

namespace tranche::cli::node {

namespace {

using base::Result;
using base::Status;
using Holdings = std::vector<kubelet::Holding>;

Result<Holdings> AskKubelet(const std::string& socket) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return loop.status();
  std::optional<Result<Holdings>> answer;
  const auto caller = rpc::Caller::New(**loop);
  kubelet::ListHoldings(*caller, socket, [&](Result<Holdings> holdings) {
    answer.emplace(std::move(holdings));
    (*loop)->Stop();
  });
  if (!answer) (*loop)->Run();
  if (!answer) return Status(base::Code::kUnavailable, "no answer");
  return *std::move(answer);
}

}  // namespace

void AddCleanupCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CleanupOptions>();
  CLI::App* command = app.add_subcommand(
      "cleanup", "Remove what an uninstalled agent or tranche node leaves on this node");
  command->add_option("--root", options->root,
                      "The node's root folder, where it is mounted elsewhere");
  command->add_flag("--dry-run", options->dry_run, "Only say what would be removed");
  command->add_flag("--force", options->force, "Even while an agent or tranche node runs");
  command->add_flag("--all", options->all,
                    "CDI specs and the shim too, which running pods or another plugin may need");
  command->footer(
      "Removed are the agent's lock, last good config and notes, sockets that nobody serves, CDI\n"
      "specs, status.json, the feature file, the shim of memory walls with its CDI device and the\n"
      "folder of its socket, and what interrupted writes of these left.\n" +
      common::ExitStatus("tranche cleanup") +
      "Examples:\n"
      "  tranche cleanup --dry-run\n"
      "  tranche cleanup --root=/host        from a container that has the node's root there");
  command->callback([options, &exit_code] {
    while (options->root.ends_with('/')) options->root.pop_back();
    exit_code = RunCleanup(*options, AskKubelet, std::cout, std::cerr);
  });
}

}  // namespace tranche::cli::node
