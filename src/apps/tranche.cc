// One program, many names: `tranche COMMAND`, and the names of the programs it takes the place of.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/agent_command.h"
#include "cli/cleanup.h"
#include "cli/completion.h"
#include "cli/config_manager_command.h"
#include "cli/demo.h"
#include "cli/feature_discovery_command.h"
#include "cli/kubectl_command.h"
#include "cli/mps_command.h"
#include "cli/sim_kubelet.h"
#include "cli/sim_node.h"
#include "cli/status.h"
#include "cli/validate.h"
#include "cli/version.h"

namespace tranche {
namespace {

void AddCompletion(CLI::App& app, std::string& shell, int& exit_code) {
  CLI::App* completion = app.add_subcommand("completion", "Print the completion script of a shell");
  completion->add_option("SHELL", shell, "bash, zsh or fish")->required();
  completion->footer("Example:\n  source <(tranche completion bash)");
  completion->callback([&shell, &exit_code] {
    const std::string script = cli::CompletionScript(shell);
    if (script.empty()) {
      fmt::print(stderr, "tranche completion: bash, zsh or fish, not '{}'\n", shell);
      exit_code = 2;
    }
    fmt::print("{}", script);
  });
}

int Tranche(std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "agent") {
    return cli::RunAgent(cli::AgentName::kTrancheAgent, {arguments.begin() + 1, arguments.end()});
  }
  CLI::App app("Share NVIDIA GPUs between Kubernetes pods", "tranche");
  app.set_version_flag("--version,-v", cli::VersionLine());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  tranche demo                          see it work, without a GPU\n"
      "  tranche validate config.yaml          what a config would advertise here\n"
      "  tranche agent --config-file=…         serve this node's GPUs to its kubelet\n"
      "  tranche status                        what the agent on this node says\n");
  int exit_code = 0;
  std::string shell;
  app.add_subcommand("agent", "Serve this node's GPUs to its kubelet (see tranche agent --help)");
  cli::AddValidateCommand(app, exit_code);
  cli::AddStatusCommand(app, exit_code);
  cli::AddCleanupCommand(app, exit_code);
  CLI::App* sim = app.add_subcommand("sim", "Simulate a node: GPUs, driver library, kubelet");
  sim->require_subcommand(1);
  cli::AddSimNodeCommands(*sim, exit_code);
  cli::AddSimKubeletCommands(*sim, exit_code);
  cli::AddDemoCommand(app, exit_code);
  AddCompletion(app, shell, exit_code);

  if (arguments.size() >= 2 && arguments[0] == "__complete") {
    const std::vector<std::string> words(arguments.begin() + 2, arguments.end());
    for (const std::string& word : cli::Complete(app, words, cli::AgentFlagNames())) {
      fmt::print("{}\n", word);
    }
    return 0;
  }
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  return exit_code;
}

int Run(const std::vector<std::string>& words) {
  const std::string name = words.empty() ? "tranche" : base::BaseName(words[0]);
  const std::vector<std::string> arguments(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (name == "nvidia-device-plugin") {
    return cli::RunAgent(cli::AgentName::kNvidiaDevicePlugin, arguments);
  }
  if (name == "gpu-feature-discovery") return cli::RunFeatureDiscovery(arguments);
  if (name == "config-manager") return cli::RunConfigManager(arguments);
  if (name == "kubectl-tranche") return cli::RunKubectl(arguments);
  if (name == "kubectl_complete-tranche") return cli::RunKubectlComplete(arguments);
  if (name == "mps-control-daemon") {
    return cli::RunMpsControlDaemon(arguments, std::cout, std::cerr);
  }
  return Tranche(arguments);
}

}  // namespace
}  // namespace tranche

int main(int argc, char** argv) { return tranche::Run({argv, argv + argc}); }
