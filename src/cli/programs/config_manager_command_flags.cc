// The flags of config-manager, apart from what runs it: pure.
#include "cli/common/defaults.h"
#include "cli/programs/config_manager_command.h"
#include "cli/programs/profile_flags.h"
#include "configmanager/signal.h"

namespace tranche::cli::programs {

namespace {

using base::Code;
using base::Status;
using common::BoolFlag;
using common::Flag;

common::FlagGroup WhichConfigFlags() {
  return {.title = "Which config",
          .flags = {
              Flag("node-name").Env("NODE_NAME").Help("the node whose label is followed; required"),
              Flag("node-label")
                  .Env("NODE_LABEL")
                  .Default(common::kProfileLabel)
                  .Help("the label that names the config"),
              Flag("config-file-srcdir")
                  .Env("CONFIG_FILE_SRCDIR")
                  .Help("the folder of the configs (a mounted ConfigMap); required"),
              Flag("config-file-dst")
                  .Env("CONFIG_FILE_DST")
                  .Help("where the link to the chosen one is made; required"),
              Flag("default-config")
                  .Env("DEFAULT_CONFIG")
                  .Help("the config of a node without the label"),
              FallbacksFlag(),
          }};
}

common::FlagGroup RunningFlags() {
  return {.title = "Running",
          .flags = {
              BoolFlag("oneshot", false).Env("ONESHOT").Help("make the link once and end"),
              Flag("kubeconfig")
                  .Env("KUBECONFIG")
                  .Help("how to reach the API server; empty: as a pod of the cluster"),
              BoolFlag("send-signal", true)
                  .Env("SEND_SIGNAL")
                  .Help("signal the program that reads the config when it has changed"),
              Flag("signal").Env("SIGNAL").Default("1").Help(
                  "the signal: a number, or a name such as SIGHUP"),
              Flag("process-to-signal")
                  .Env("PROCESS_TO_SIGNAL")
                  .Default("nvidia-device-plugin")
                  .Help("the program's name, exactly as it was started"),
          }};
}

Status MustNotBeEmpty(std::string_view flag) {
  return {Code::kInvalidArgument, "invalid <" + std::string(flag) + ">: must not be empty string"};
}

}  // namespace

std::vector<common::FlagGroup> ConfigManagerFlags() { return {WhichConfigFlags(), RunningFlags()}; }

base::Result<ConfigManagerSetup> ToConfigManagerSetup(const cli::common::FlagValues& values) {
  for (const char* required :
       {"node-name", "node-label", "config-file-srcdir", "config-file-dst"}) {
    if (values.Text(required).empty()) return MustNotBeEmpty(required);
  }
  const auto signal = configmanager::ParseSignal(values.TextUnlessEmpty("signal"));
  if (!signal.ok()) return signal.status().Wrap("invalid <signal>");
  auto fallbacks = profile::ParseFallbacks(values.List("fallback-strategies"));
  if (!fallbacks.ok()) return fallbacks.status();
  ConfigManagerSetup setup;
  setup.kubeconfig = values.Text("kubeconfig");
  configmanager::ConfigManagerOptions& options = setup.options;
  options.oneshot = values.Bool("oneshot");
  options.node_name = values.Text("node-name");
  options.node_label = values.Text("node-label");
  options.source_directory = values.Text("config-file-srcdir");
  options.destination = values.Text("config-file-dst");
  options.default_config = values.Text("default-config");
  options.fallbacks = std::move(*fallbacks);
  options.send_signal = values.Bool("send-signal");
  options.signal = *signal;
  options.process_to_signal = values.TextUnlessEmpty("process-to-signal");
  return setup;
}

}  // namespace tranche::cli::programs
