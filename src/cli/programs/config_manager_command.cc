#include "cli/programs/config_manager_command.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

#include "apiserver/client.h"
#include "apiserver/config.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "cli/common/flag_values.h"
#include "cli/common/version.h"

namespace tranche::cli::programs {

namespace {

using base::Kv;
using base::Status;

std::string Help() {
  return "usage: config-manager [flags]\n\n"
         "Links the config that a node's label names to where the device plugin (or GPU feature\n"
         "discovery) reads it, and signals that program when it changes. Takes the place of\n"
         "NVIDIA's program of that name: the same flags and environment. `tranche agent` follows\n"
         "the label by itself and needs no such help.\n\n" +
         config::FormatFlags(ConfigManagerFlags()) +
         "\nExamples:\n"
         "  config-manager --node-name=$NODE_NAME --config-file-srcdir=/available-configs \\\n"
         "    --config-file-dst=/config/config.yaml --default-config=default\n"
         "  config-manager --oneshot …           in an init container, before the plugin starts\n";
}

int Fail(const Status& status) {
  base::LogError(status.message());
  return 1;
}

int Run(const ConfigManagerSetup& setup) {
  std::signal(SIGPIPE, SIG_IGN);
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return Fail(loop.status());
  // What was not finished has not been done, so a oneshot that is told to end fails.
  int exit_status = setup.options.oneshot ? 1 : 0;
  const auto signals =
      base::WatchSignals(**loop, {SIGINT, SIGTERM, SIGQUIT, SIGHUP}, [&loop](int number) {
        if (number == SIGHUP) return;  // "signal everybody" is no reason to end
        base::LogInfo("ending", {Kv("signal", number)});
        (*loop)->Stop();
      });
  if (!signals.ok()) return Fail(signals.status());
  auto where = apiserver::FindApiConfig(setup.kubeconfig);
  if (!where.ok()) return Fail(where.status().Wrap("no way to reach the API server"));
  auto api = apiserver::NewApiClient(
      **loop, std::move(*where),
      {.user_agent = std::string("config-manager/") + cli::common::kVersion});
  if (!api.ok()) return Fail(api.status());
  configmanager::ConfigManager manager(**loop, **api, setup.options, [&](int status) {
    exit_status = status;
    (*loop)->Stop();
  });
  (*loop)->Run();
  return exit_status;
}

}  // namespace

int RunConfigManager(const std::vector<std::string>& arguments) {
  const cli::common::DaemonProgram program{.name = "config-manager",
                                           .typed = ConfigManagerFlags(),
                                           .all = ConfigManagerFlags(),
                                           .help = Help};
  const auto called = cli::common::ReadDaemonCall(program, arguments);
  if (const int* answered = std::get_if<int>(&called)) return *answered;
  const auto& call = std::get<cli::common::DaemonCall>(called);
  const auto setup = ToConfigManagerSetup(call.environment, call.command_line);
  if (!setup.ok()) return cli::common::Misuse(program.name, setup.status());
  return Run(*setup);
}

}  // namespace tranche::cli::programs
