#include "cli/programs/agent_command.h"

#include <fmt/format.h>
#include <malloc.h>

#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "agent/agent.h"
#include "base/log.h"
#include "cli/common/exit_status.h"
#include "cli/common/flag_table.h"
#include "cli/common/flag_values.h"
#include "cli/common/version.h"
#include "cli/programs/agent_flags.h"
#include "cli/programs/profile_flags.h"
#include "cli/programs/unused_values.h"
#include "config/units.h"
#include "daemon/api_link.h"
#include "daemon/handover/stand_by.h"
#include "daemon/life.h"
#include "gpu/nvml/driver.h"
#include "http/tcp_listener.h"

namespace tranche::cli::programs {

namespace {

using base::Code;
using base::Result;
using base::Status;
using common::FlagGroup;

std::string Help(AgentName name) {
  std::vector<FlagGroup> groups = AgentFlags(name);
  std::string text;
  if (name == AgentName::kNvidiaDevicePlugin) {
    groups.resize(1);  // upstream's
    text =
        "usage: nvidia-device-plugin [flags]\n\n"
        "Tranche under the name of NVIDIA's device plugin: the same flags and environment.\n";
  } else {
    text =
        "usage: tranche agent [flags]\n\n"
        "Shares this node's GPUs: registers them with the kubelet as the config says, watches "
        "config,\n"
        "kubelet and GPUs, and applies every change live.\n";
  }
  text += "\n" + common::FormatFlags(groups) +
          "\nThe command line beats the environment, which beats the config file, which beats the "
          "default.\n";
  if (name == AgentName::kNvidiaDevicePlugin) return text;
  return text +
         "\nSignals: HUP reads the config and looks at the node again; USR1 calls every GPU that "
         "answers\n"
         "healthy; TERM ends, keeping the streams for a successor for at most 3.5 s; INT ends at "
         "once.\n\n" +
         cli::common::ExitStatus("tranche agent") +
         "\nExamples:\n"
         "  tranche agent --config-file=/config/config.yaml\n"
         "  tranche agent --profiles-dir=/available-configs --default-profile=default\n"
         "  tranche agent --watch-node --profiles-configmap=gpu-operator/device-plugin-config\n"
         "  tranche agent --driver-root-ctr-path=/ --device-list-strategy=cdi-cri\n";
}

Status ReadClusterOptions(const cli::common::FlagValues& values, agent::AgentOptions& options) {
  options.cluster.cluster_policy = values.Text("cluster-policy");
  options.cluster.policy_namespace = values.Text("policy-namespace");
  TRANCHE_TRY(ReadProfileFlags(values, options.node_name, options.config, options.cluster));
  options.events = values.Bool("events");
  options.labels = {.kind = values.TextUnlessEmpty("labels"),
                    .file = "",
                    .node = {.node = options.node_name,
                             .namespace_name = values.Text("namespace"),
                             .pod = values.Text("pod-name")}};
  TRANCHE_TRY(labels::CheckOutlet(options.labels).Wrap("--labels"));
  if (options.events && options.node_name.empty()) {
    return {Code::kInvalidArgument, "--events needs --node-name (NODE_NAME)"};
  }
  options.new_api = [kubeconfig = values.Text("kubeconfig")](base::EventLoop& loop) {
    return daemon::ConnectToApi(
        loop, kubeconfig, {.user_agent = std::string("tranche-agent/") + cli::common::kVersion});
  };
  return Status::Ok();
}

Result<agent::AgentOptions> ToOptions(const cli::common::FlagValues& values) {
  agent::AgentOptions options;
  options.kubelet_socket = values.Text("kubelet-socket");
  options.pod_resources_socket = values.Text("pod-resources-socket");
  options.run_directory = values.Text("run-dir");
  options.cdi_directory = values.Text("cdi-dir");
  options.shim.directories = values.List("shim-cdi-dirs");
  options.listen = values.Text("listen");
  if (!options.listen.empty()) {
    TRANCHE_TRY(http::CheckTcpAddress(options.listen).Wrap("--listen"));
  }
  options.node_name = values.Text("node-name");
  options.version = cli::common::kVersion;
  options.install_warnings = WarnOfUnusedValues(values.Text("unused-values"));
  options.config.profiles_directory = values.Text("profiles-dir");
  options.config.profile = values.Text("profile");
  options.config.profile_file = values.Text("profile-file");
  TRANCHE_TRY(ReadClusterOptions(values, options));

  const std::string interval = values.Text("rescan-interval");
  const auto duration = config::ParseGoDuration(interval);
  if (!duration.ok() || *duration < std::chrono::milliseconds(100)) {
    return Status(
        Code::kInvalidArgument,
        "--rescan-interval is a duration of at least 100ms, such as 10s, not '" + interval + "'");
  }
  options.rescan_interval = *duration;

  gpu::ParsedXidFilter filter =
      gpu::ParseXidFilter(values.Text("disable-healthchecks"), values.Text("enable-healthchecks"));
  for (const std::string& word : filter.not_understood) {
    base::LogWarning("not an XID, ignored", {base::Kv("word", word)});
  }
  options.gpus.xid_filter = std::move(filter.filter);
  const std::string sys_root = values.Text("sys-root");
  options.sys_root = sys_root;
  options.gpus.start_driver = gpu::nvml::NvmlDriverStarter(sys_root);
  return options;
}

std::string ProgramName(AgentName name) {
  return name == AgentName::kTrancheAgent ? "tranche agent" : "nvidia-device-plugin";
}

// Stands by until the node is to be served again (nullopt), or this program is told to end or
// cannot go on: its exit status.
std::optional<int> StandBy(const agent::AgentOptions& options) {
  bool serve_again = false;
  const int status =
      daemon::RunOnLoop([&](base::EventLoop& loop, std::function<void(int)>& on_signal) {
        daemon::handover::StandBy stand_by(
            loop, options.StateDirectory(), options.listen, [&](daemon::handover::StandByEnd end) {
              serve_again = end == daemon::handover::StandByEnd::kServeAgain;
              loop.Stop();
            });
        on_signal = [&stand_by](int number) { stand_by.OnSignal(number); };
        loop.Run();
        return 0;
      });
  return serve_again ? std::nullopt : std::optional(status);
}

// The C library gives each thread a heap of its own. Here that would be a dozen that hold next to
// nothing: all but the main thread share one.
void ShareHeap() { mallopt(M_ARENA_MAX, 2); }

int Serve(const agent::AgentOptions& options) {
  ShareHeap();
  for (;;) {
    bool yielded = false;
    const int status =
        daemon::RunOnLoop([&](base::EventLoop& loop, std::function<void(int)>& on_signal) {
          auto agent = agent::Agent::New(loop, options);
          if (!agent.ok()) {
            base::LogError("error starting plugins: " + agent.status().message());
            return 1;
          }
          on_signal = [&agent](int number) { (*agent)->OnSignal(number); };
          const int ended = (*agent)->Run();
          on_signal = [](int) {};
          yielded = (*agent)->yielded();
          return ended;
        });
    // Outside a pod nobody would start it again.
    if (!yielded || !cli::common::Environment("KUBERNETES_SERVICE_HOST")) return status;
    if (const auto ended = StandBy(options)) return *ended;
  }
}

}  // namespace

int RunAgent(AgentName name, const std::vector<std::string>& arguments) {
  const cli::common::DaemonProgram program{
      .name = ProgramName(name), .flags = AgentFlags(name), .help = [name] { return Help(name); }};
  auto called = cli::common::ReadDaemonCall(program, arguments);
  if (const int* answered = std::get_if<int>(&called)) return *answered;
  const cli::common::FlagValues values(std::move(std::get<cli::common::DaemonCall>(called)));
  if (Status status = cli::common::ConfigureLogging(values); !status.ok())
    return cli::common::Misuse(program.name, status);
  auto options = ToOptions(values);
  if (!options.ok()) return cli::common::Misuse(program.name, options.status());
  options->overrides = {.environment = values.call().environment,
                        .command_line = values.call().command_line};
  return Serve(*options);
}

std::vector<std::string> AgentFlagNames() {
  std::vector<std::string> names{"--help", "--version"};
  for (const FlagGroup& group : AgentFlags(AgentName::kTrancheAgent)) {
    if (group.environment_only) continue;
    for (const common::FlagSpec& flag : group.flags) names.push_back("--" + flag.name);
  }
  return names;
}

}  // namespace tranche::cli::programs
