// One program, many names: `tranche COMMAND`, and the names of the programs it takes the place of.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/common/completion.h"
#include "cli/common/exit_status.h"
#include "cli/common/version.h"
#include "cli/kubectl/command.h"
#include "cli/node/cleanup.h"
#include "cli/node/demo.h"
#include "cli/node/status.h"
#include "cli/node/validate.h"
#include "cli/programs/agent_command.h"
#include "cli/programs/config_manager_command.h"
#include "cli/programs/feature_discovery_command.h"
#include "cli/programs/mps_command.h"
#include "cli/programs/node_command.h"
#include "cli/reference/command.h"
#include "cli/sim/driver.h"
#include "cli/sim/kubelet.h"
#include "cli/sim/node.h"
#include "cli/sim/workload.h"
#include "cli/top/top.h"

namespace tranche {
namespace {

void AddCompletion(CLI::App& app, std::string& shell, int& exit_code) {
  CLI::App* completion = app.add_subcommand("completion", "Print the completion script of a shell");
  completion->add_option("SHELL", shell, "bash, zsh or fish")->required();
  completion->footer(cli::common::ExitStatus("tranche completion") +
                     "Example:\n  source <(tranche completion bash)");
  completion->callback([&shell, &exit_code] {
    const std::string script = cli::common::CompletionScript(shell);
    if (script.empty()) {
      fmt::print(stderr, "tranche completion: bash, zsh or fish, not '{}'\n", shell);
      exit_code = 2;
    }
    fmt::print("{}", script);
  });
}

int Tranche(std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "agent") {
    return cli::programs::RunAgent(cli::programs::AgentName::kTrancheAgent,
                                   {arguments.begin() + 1, arguments.end()});
  }
  if (!arguments.empty() && arguments[0] == "node") {
    return cli::programs::RunNode({arguments.begin() + 1, arguments.end()});
  }
  CLI::App app("Share NVIDIA GPUs between Kubernetes pods", "tranche");
  app.set_version_flag("--version,-v", cli::common::VersionLine());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  tranche demo                          see it work, without a GPU\n"
      "  tranche validate config.yaml          what a config would advertise here\n"
      "  tranche agent --config-file=…         serve this node's GPUs to its kubelet\n"
      "  tranche status                        what the agent on this node says\n"
      "  tranche top                           who uses this node's GPUs, by pod\n");
  int exit_code = 0;
  std::string shell;
  app.add_subcommand("agent", "Serve this node's GPUs to its kubelet (see tranche agent --help)");
  app.add_subcommand("node", "Show who uses this node's GPUs (see tranche node --help)");
  cli::node::AddValidateCommand(app, exit_code);
  cli::node::AddStatusCommand(app, exit_code);
  cli::top::AddTopCommand(app, exit_code);
  cli::node::AddCleanupCommand(app, exit_code);
  CLI::App* sim = app.add_subcommand("sim", "Simulate a node: GPUs, driver library, kubelet");
  sim->require_subcommand(1);
  cli::sim::AddSimNodeCommands(*sim, exit_code);
  cli::sim::AddSimKubeletCommands(*sim, exit_code);
  cli::sim::AddSimWorkloadCommand(*sim, exit_code);
  cli::sim::AddSimDriverCommands(*sim, exit_code);
  cli::node::AddDemoCommand(app, exit_code);
  AddCompletion(app, shell, exit_code);
  cli::reference::AddReferenceCommand(app, exit_code);

  if (arguments.size() >= 2 && arguments[0] == "__complete") {
    const std::vector<std::string> words(arguments.begin() + 2, arguments.end());
    for (const std::string& word :
         cli::common::Complete(app, words, cli::programs::AgentFlagNames())) {
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
    return cli::programs::RunAgent(cli::programs::AgentName::kNvidiaDevicePlugin, arguments);
  }
  if (name == "gpu-feature-discovery") return cli::programs::RunFeatureDiscovery(arguments);
  if (name == "config-manager") return cli::programs::RunConfigManager(arguments);
  if (name == "kubectl-tranche") return cli::kubectl::RunKubectl(arguments);
  if (name == "kubectl_complete-tranche") return cli::kubectl::RunKubectlComplete(arguments);
  if (name == "mps-control-daemon") {
    return cli::programs::RunMpsControlDaemon(arguments, std::cout, std::cerr);
  }
  return Tranche(arguments);
}

}  // namespace
}  // namespace tranche

int main(int argc, char** argv) { return tranche::Run({argv, argv + argc}); }
