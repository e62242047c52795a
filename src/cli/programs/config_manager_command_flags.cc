// The flags of config-manager, apart from what runs it: pure.
#include "cli/programs/config_manager_command.h"
#include "configmanager/signal.h"

namespace tranche::cli::programs {

namespace {

using base::Code;
using base::Status;
using config::FlagKind;

// The value, or the default where it is left out or empty.
std::string TextOr(std::string_view flag, const std::vector<config::Override>& environment,
                   const std::vector<config::Override>& command_line, std::string fallback) {
  std::string value = config::FlagValue(flag, environment, command_line).value_or("");
  return value.empty() ? std::move(fallback) : value;
}

bool Switch(std::string_view flag, const std::vector<config::Override>& environment,
            const std::vector<config::Override>& command_line, bool fallback) {
  return config::FlagValue(flag, environment, command_line).value_or(fallback ? "true" : "false") ==
         "true";
}

Status MustNotBeEmpty(std::string_view flag) {
  return {Code::kInvalidArgument, "invalid <" + std::string(flag) + ">: must not be empty string"};
}

}  // namespace

std::vector<config::FlagGroup> ConfigManagerFlags() {
  return {
      {.title = "Which config",
       .flags = {{"node-name",
                  {},
                  {"NODE_NAME"},
                  FlagKind::kText,
                  "",
                  "the node whose label is followed; required"},
                 {"node-label",
                  {},
                  {"NODE_LABEL"},
                  FlagKind::kText,
                  "nvidia.com/device-plugin.config",
                  "the label that names the config"},
                 {"config-file-srcdir",
                  {},
                  {"CONFIG_FILE_SRCDIR"},
                  FlagKind::kText,
                  "",
                  "the folder of the configs (a mounted ConfigMap); required"},
                 {"config-file-dst",
                  {},
                  {"CONFIG_FILE_DST"},
                  FlagKind::kText,
                  "",
                  "where the link to the chosen one is made; required"},
                 {"default-config",
                  {},
                  {"DEFAULT_CONFIG"},
                  FlagKind::kText,
                  "",
                  "the config of a node without the label"},
                 {"fallback-strategies",
                  {},
                  {"FALLBACK_STRATEGIES"},
                  FlagKind::kTextList,
                  "",
                  "what to try, in order, where there is no default either: named, single, "
                  "empty"}}},
      {.title = "Running",
       .flags =
           {{"oneshot", {}, {"ONESHOT"}, FlagKind::kBool, "false", "make the link once and end"},
            {"kubeconfig",
             {},
             {"KUBECONFIG"},
             FlagKind::kText,
             "",
             "how to reach the API server; empty: as a pod of the cluster"},
            {"send-signal",
             {},
             {"SEND_SIGNAL"},
             FlagKind::kBool,
             "true",
             "signal the program that reads the config when it has changed"},
            {"signal",
             {},
             {"SIGNAL"},
             FlagKind::kText,
             "1",
             "the signal: a number, or a name such as SIGHUP"},
            {"process-to-signal",
             {},
             {"PROCESS_TO_SIGNAL"},
             FlagKind::kText,
             "nvidia-device-plugin",
             "the program's name, exactly as it was started"}}},
  };
}

base::Result<ConfigManagerSetup> ToConfigManagerSetup(
    const std::vector<config::Override>& environment,
    const std::vector<config::Override>& command_line) {
  const auto text = [&](std::string_view flag) {
    return config::FlagValue(flag, environment, command_line).value_or("");
  };
  ConfigManagerSetup setup;
  configmanager::ConfigManagerOptions& options = setup.options;
  setup.kubeconfig = text("kubeconfig");
  options.oneshot = Switch("oneshot", environment, command_line, false);
  options.send_signal = Switch("send-signal", environment, command_line, true);
  options.node_name = text("node-name");
  options.node_label =
      config::FlagValue("node-label", environment, command_line).value_or(options.node_label);
  options.source_directory = text("config-file-srcdir");
  options.destination = text("config-file-dst");
  options.default_config = text("default-config");
  options.process_to_signal =
      TextOr("process-to-signal", environment, command_line, options.process_to_signal);
  if (options.node_name.empty()) return MustNotBeEmpty("node-name");
  if (options.node_label.empty()) return MustNotBeEmpty("node-label");
  if (options.source_directory.empty()) return MustNotBeEmpty("config-file-srcdir");
  if (options.destination.empty()) return MustNotBeEmpty("config-file-dst");

  const auto signal = configmanager::ParseSignal(TextOr("signal", environment, command_line, "1"));
  if (!signal.ok()) return signal.status().Wrap("invalid <signal>");
  options.signal = *signal;

  std::vector<std::string> words;
  for (const auto* overrides : {&environment, &command_line}) {
    for (const config::Override& given : *overrides) {
      if (given.flag == "fallback-strategies") words = given.values;
    }
  }
  std::erase(words, "");
  auto fallbacks = profile::ParseFallbacks(words);
  if (!fallbacks.ok()) return fallbacks.status();
  options.fallbacks = std::move(*fallbacks);
  return setup;
}

}  // namespace tranche::cli::programs
