#include "cli/programs/config_manager_command.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/event_loop.h"
#include "base/log.h"
#include "cli/common/exit_status.h"
#include "cli/common/flag_values.h"
#include "cli/common/version.h"
#include "daemon/api_link.h"
#include "daemon/life.h"

namespace tranche::cli::programs {

namespace {

using base::Kv;

std::string Help() {
  return "usage: config-manager [flags]\n\n"
         "Links the config that a node's label names to where the device plugin (or GPU feature\n"
         "discovery) reads it, and signals that program when it changes. Takes the place of\n"
         "NVIDIA's program of that name: the same flags and environment. `tranche agent` follows\n"
         "the label by itself and needs no such help.\n\n" +
         common::FormatFlags(ConfigManagerFlags()) + "\n" +
         cli::common::ExitStatus("config-manager") +
         "\nExamples:\n"
         "  config-manager --node-name=$NODE_NAME --config-file-srcdir=/available-configs \\\n"
         "    --config-file-dst=/config/config.yaml --default-config=default\n"
         "  config-manager --oneshot …           in an init container, before the plugin starts\n";
}

int Run(const ConfigManagerSetup& setup) {
  return daemon::RunOnLoop([&](base::EventLoop& loop, std::function<void(int)>& on_signal) {
    daemon::Life life(loop);
    on_signal = [&life, oneshot = setup.options.oneshot](int number) {
      // "Signal everybody" is no reason to end.
      if (number == SIGHUP || number == SIGUSR1) return;
      base::LogInfo("ending", {Kv("signal", number)});
      // What was not finished has not been done, so a oneshot that is told to end fails.
      life.End(oneshot ? 1 : 0);
    };
    auto api = daemon::ConnectToApi(
        loop, setup.kubeconfig,
        {.user_agent = std::string("config-manager/") + cli::common::kVersion});
    if (!api.ok()) {
      base::LogError(api.status().message());
      return 1;
    }
    std::optional<configmanager::ConfigManager> manager;
    return life.Run(common::kVersion, [&] {
      manager.emplace(loop, *api->client, setup.options, [&life](int status) { life.End(status); });
    });
  });
}

}  // namespace

int RunConfigManager(const std::vector<std::string>& arguments) {
  const cli::common::DaemonProgram program{
      .name = "config-manager", .flags = ConfigManagerFlags(), .help = Help};
  auto called = cli::common::ReadDaemonCall(program, arguments);
  if (const int* answered = std::get_if<int>(&called)) return *answered;
  const auto setup = ToConfigManagerSetup(
      cli::common::FlagValues(std::move(std::get<cli::common::DaemonCall>(called))));
  if (!setup.ok()) return cli::common::Misuse(program.name, setup.status());
  return Run(*setup);
}

}  // namespace tranche::cli::programs
