#include "cli/agent_command.h"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "agent/agent.h"
#include "base/log.h"
#include "cli/flag_values.h"
#include "cli/version.h"
#include "config/flag_table.h"
#include "config/units.h"
#include "gpu/nvml_driver.h"
#include "kube/api_client.h"
#include "kube/api_config.h"

namespace tranche::cli {

namespace {

using base::Code;
using base::Result;
using base::Status;
using config::FlagGroup;
using config::FlagKind;

FlagGroup ProfileFlags() {
  return {
      .title = "Profiles",
      .flags = {
          {.name = "profiles-dir",
           .aliases = {},
           .environment = {"TRANCHE_PROFILES_DIR"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "folder of named configs (a mounted ConfigMap), watched; beats --config-file"},
          {.name = "profile",
           .aliases = {},
           .environment = {"TRANCHE_PROFILE"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "name of the config to use from that folder"},
          {.name = "profile-file",
           .aliases = {},
           .environment = {"TRANCHE_PROFILE_FILE"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "file that holds the name, watched; an empty one chooses none"},
          {.name = "default-profile",
           .aliases = {},
           .environment = {"DEFAULT_CONFIG"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "config to use where none is chosen"},
          {.name = "fallback-strategies",
           .aliases = {},
           .environment = {"FALLBACK_STRATEGIES"},
           .kind = FlagKind::kTextList,
           .default_text = "",
           .help = "what to try, in order, where there is no default either: named, single, empty"},
      }};
}

FlagGroup NodeFlags() {
  return {.title = "Places on the node",
          .flags = {
              {.name = "pod-resources-socket",
               .aliases = {},
               .environment = {"TRANCHE_POD_RESOURCES_SOCKET"},
               .kind = FlagKind::kText,
               .default_text = "/var/lib/kubelet/pod-resources/kubelet.sock",
               .help = "where to ask which ids pods hold; empty: do without"},
              {.name = "run-dir",
               .aliases = {},
               .environment = {"TRANCHE_RUN_DIR"},
               .kind = FlagKind::kText,
               .default_text = "/run/tranche",
               .help = "where status.json is written; empty: nowhere"},
              {.name = "cdi-dir",
               .aliases = {},
               .environment = {"TRANCHE_CDI_DIR"},
               .kind = FlagKind::kText,
               .default_text = "/var/run/cdi",
               .help = "where CDI specs are written"},
              {.name = "sys-root",
               .aliases = {},
               .environment = {"TRANCHE_SYS_ROOT"},
               .kind = FlagKind::kText,
               .default_text = "",
               .help = "goes before /sys and /proc, for a simulated node"},
              {.name = "node-name",
               .aliases = {},
               .environment = {"NODE_NAME"},
               .kind = FlagKind::kText,
               .default_text = "",
               .help = "name of this node"},
          }};
}

FlagGroup RunningFlags() {
  return {.title = "Running",
          .flags = {
              {.name = "listen",
               .aliases = {},
               .environment = {"TRANCHE_LISTEN"},
               .kind = FlagKind::kText,
               .default_text = "9435",
               .help = "[address:]port of /metrics, /livez and /readyz; empty: none"},
              {.name = "rescan-interval",
               .aliases = {},
               .environment = {"TRANCHE_RESCAN_INTERVAL"},
               .kind = FlagKind::kText,
               .default_text = "10s",
               .help = "how often to look for lost GPUs, hot-plug and MIG changes"},
              {.name = "log-level",
               .aliases = {},
               .environment = {"TRANCHE_LOG_LEVEL"},
               .kind = FlagKind::kText,
               .default_text = "info",
               .help = "debug, info, warning or error"},
              {.name = "log-format",
               .aliases = {},
               .environment = {"TRANCHE_LOG_FORMAT"},
               .kind = FlagKind::kText,
               .default_text = "text",
               .help = "text or json"},
          }};
}

FlagGroup KubernetesFlags() {
  return {
      .title = "Kubernetes (an API server is asked only where one of these says so)",
      .flags = {
          {.name = "watch-node",
           .aliases = {},
           .environment = {"TRANCHE_WATCH_NODE"},
           .kind = FlagKind::kBool,
           .default_text = "false",
           .help = "take the profile's name from this node's label"},
          {.name = "node-label",
           .aliases = {},
           .environment = {"NODE_LABEL"},
           .kind = FlagKind::kText,
           .default_text = "nvidia.com/device-plugin.config",
           .help = "that label's key"},
          {.name = "profiles-configmap",
           .aliases = {},
           .environment = {"TRANCHE_PROFILES_CONFIGMAP"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "NAMESPACE/NAME of a ConfigMap of named configs, watched; beats --profiles-dir"},
          {.name = "cluster-policy",
           .aliases = {},
           .environment = {"TRANCHE_CLUSTER_POLICY"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "name of a ClusterPolicy of the GPU operator to take ConfigMap and default "
                   "profile from; implies --watch-node"},
          {.name = "policy-namespace",
           .aliases = {},
           .environment = {"TRANCHE_POLICY_NAMESPACE", "NAMESPACE"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "where that ConfigMap lies; empty: where this account does"},
          {.name = "events",
           .aliases = {},
           .environment = {"TRANCHE_EVENTS"},
           .kind = FlagKind::kBool,
           .default_text = "false",
           .help = "tell what happens as Kubernetes Events on the node"},
          {.name = "kubeconfig",
           .aliases = {},
           .environment = {"KUBECONFIG"},
           .kind = FlagKind::kText,
           .default_text = "",
           .help = "how to reach the API server; empty: as the pod's service account"},
      }};
}

FlagGroup LabelFlags() {
  const auto text = [](const char* name, const char* variable, const char* fallback,
                       const char* help) {
    return config::FlagSpec{.name = name,
                            .aliases = {},
                            .environment = {variable},
                            .kind = FlagKind::kText,
                            .default_text = fallback,
                            .help = help};
  };
  return {.title = "Labels (what gpu-feature-discovery does, from the plan that is served)",
          .flags = {
              text("labels", "TRANCHE_LABELS", "none",
                   "where the node's labels go: none, nfd-file, node-feature, or node itself"),
              {.name = "no-timestamp",
               .aliases = {},
               .environment = {"GFD_NO_TIMESTAMP"},
               .kind = FlagKind::kBool,
               .default_text = "false",
               .help = "leave the label nvidia.com/gfd.timestamp out"},
              text("output-file", "GFD_OUTPUT_FILE",
                   "/etc/kubernetes/node-feature-discovery/features.d/gfd", "the file of nfd-file"),
              text("machine-type-file", "GFD_MACHINE_TYPE_FILE", "/sys/class/dmi/id/product_name",
                   "the file that names the machine's type"),
              text("namespace", "NAMESPACE", "default", "namespace of the NodeFeature object"),
              text("pod-name", "POD_NAME", "",
                   "this pod, whose end takes the NodeFeature object along")}};
}

std::vector<FlagGroup> OwnFlags() {
  return {ProfileFlags(), KubernetesFlags(), LabelFlags(), NodeFlags(), RunningFlags()};
}

std::optional<std::string> Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string Help(AgentName name) {
  std::vector<FlagGroup> groups{config::UpstreamPluginFlags()};
  std::string text;
  if (name == AgentName::kNvidiaDevicePlugin) {
    text =
        "usage: nvidia-device-plugin [flags]\n\n"
        "Tranche under the name of NVIDIA's device plugin: the same flags and environment.\n";
  } else {
    for (FlagGroup& group : OwnFlags()) groups.push_back(std::move(group));
    text =
        "usage: tranche agent [flags]\n\n"
        "Shares this node's GPUs: registers them with the kubelet as the config says, watches "
        "config,\n"
        "kubelet and GPUs, and applies every change live.\n";
  }
  text += "\n" + config::FormatFlags(groups) +
          "\nThe command line beats the environment, which beats the config file, which beats the "
          "default.\n";
  if (name == AgentName::kNvidiaDevicePlugin) return text;
  return text +
         "\nSignals: HUP reads the config and looks at the node again; USR1 calls every GPU that "
         "answers\n"
         "healthy; TERM ends, keeping the streams for a successor for at most 4 s; INT ends at "
         "once.\n"
         "\nExamples:\n"
         "  tranche agent --config-file=/config/config.yaml\n"
         "  tranche agent --profiles-dir=/available-configs --default-profile=default\n"
         "  tranche agent --watch-node --profiles-configmap=gpu-operator/device-plugin-config\n"
         "  tranche agent --driver-root-ctr-path=/ --device-list-strategy=cdi-cri\n";
}

// How upstream reads a bool was settled when the flags were parsed: it is "true" or "false" here.
bool IsTrue(const FlagValues& values, std::string_view flag) {
  const std::string text = values.Text(flag, "false");
  return text == "true";
}

Result<agent::ApiConnection> Connect(base::EventLoop& loop, const std::string& kubeconfig) {
  auto where = kube::FindApiConfig(kubeconfig);
  if (!where.ok()) return where.status().Wrap("no way to reach the API server");
  agent::ApiConnection connection{.client = nullptr, .default_namespace = where->default_namespace};
  auto client = kube::NewApiClient(loop, std::move(*where),
                                   {.user_agent = std::string("tranche-agent/") + kVersion});
  if (!client.ok()) return client.status();
  connection.client = std::move(*client);
  return connection;
}

Status ReadClusterOptions(const FlagValues& values, agent::AgentOptions& options) {
  options.cluster = {.node_name = options.node_name,
                     .watch_node = IsTrue(values, "watch-node"),
                     .node_label = values.Text("node-label", ""),
                     .config_map = values.Text("profiles-configmap", ""),
                     .cluster_policy = values.Text("cluster-policy", ""),
                     .policy_namespace = values.Text("policy-namespace", "")};
  // Empty is as absent, as in the operator's pods.
  if (options.cluster.node_label.empty()) {
    options.cluster.node_label = agent::ClusterSourceOptions().node_label;
  }
  TRANCHE_TRY(options.cluster.Check(options.config));
  options.events = IsTrue(values, "events");
  options.labels = {.kind = values.Text("labels", "none"),
                    .file = "",
                    .node = {.node = options.node_name,
                             .namespace_name = values.Text("namespace", "default"),
                             .pod = values.Text("pod-name", "")}};
  if (options.labels.kind.empty()) options.labels.kind = "none";
  TRANCHE_TRY(agent::CheckOutlet(options.labels).Wrap("--labels"));
  if (options.events && options.node_name.empty()) {
    return {Code::kInvalidArgument, "--events needs --node-name (NODE_NAME)"};
  }
  options.new_api = [kubeconfig = values.Text("kubeconfig", "")](base::EventLoop& loop) {
    return Connect(loop, kubeconfig);
  };
  return Status::Ok();
}

Result<agent::AgentOptions> ToOptions(const FlagValues& values) {
  agent::AgentOptions options;
  options.kubelet_socket = values.Text("kubelet-socket", options.kubelet_socket);
  options.pod_resources_socket = values.Text("pod-resources-socket", options.pod_resources_socket);
  options.run_directory = values.Text("run-dir", options.run_directory);
  options.cdi_directory = values.Text("cdi-dir", options.cdi_directory);
  options.listen = values.Text("listen", options.listen);
  options.node_name = values.Text("node-name", "");
  options.version = kVersion;
  options.config = {.config_file = values.Text("config-file", ""),
                    .profiles_directory = values.Text("profiles-dir", ""),
                    .profile = values.Text("profile", ""),
                    .profile_file = values.Text("profile-file", ""),
                    .default_profile = values.Text("default-profile", ""),
                    .fallbacks = {}};
  std::vector<std::string> words = values.List("fallback-strategies");
  std::erase(words, "");
  auto fallbacks = agent::ParseFallbacks(words);
  if (!fallbacks.ok()) return fallbacks.status();
  options.config.fallbacks = std::move(*fallbacks);
  TRANCHE_TRY(ReadClusterOptions(values, options));

  const std::string interval = values.Text("rescan-interval", "10s");
  const auto duration = config::ParseGoDuration(interval);
  if (!duration.ok() || *duration < std::chrono::milliseconds(100)) {
    return Status(
        Code::kInvalidArgument,
        "--rescan-interval is a duration of at least 100ms, such as 10s, not '" + interval + "'");
  }
  options.rescan_interval = *duration;

  gpu::ParsedXidFilter filter =
      gpu::ParseXidFilter(Environment("DP_DISABLE_HEALTHCHECKS").value_or(""),
                          Environment("DP_ENABLE_HEALTHCHECKS").value_or(""));
  for (const std::string& word : filter.not_understood) {
    base::LogWarning("not an XID, ignored", {base::Kv("word", word)});
  }
  options.xid_filter = std::move(filter.filter);
  const std::string sys_root = values.Text("sys-root", "");
  options.sys_root = sys_root;
  options.new_driver = [sys_root](const std::string& driver_root) {
    return std::shared_ptr<gpu::GpuDriver>(
        gpu::NewNvmlDriver({.driver_root = driver_root, .sys_root = sys_root}));
  };
  return options;
}

int Usage(const Status& status, AgentName name) {
  fmt::print(stderr, "{}: {}\n(see {} --help)\n",
             name == AgentName::kTrancheAgent ? "tranche agent" : "nvidia-device-plugin",
             status.message(),
             name == AgentName::kTrancheAgent ? "tranche agent" : "nvidia-device-plugin");
  return 1;
}

int Serve(agent::AgentOptions options) {
  // A write past a file size limit or to a closed pipe is an error to handle, not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) {
    base::LogError("cannot start", {base::Kv("error", loop.status().message())});
    return 1;
  }
  agent::Agent* running = nullptr;
  const auto signals =
      base::WatchSignals(**loop, {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1}, [&](int number) {
        if (running != nullptr) running->OnSignal(number);
      });
  if (!signals.ok()) {
    base::LogError("cannot start", {base::Kv("error", signals.status().message())});
    return 1;
  }
  agent::Agent agent(**loop, std::move(options));
  running = &agent;
  return agent.Run();
}

}  // namespace

int RunAgent(AgentName name, const std::vector<std::string>& arguments) {
  std::vector<FlagGroup> typed{config::UpstreamPluginFlags()};
  std::vector<FlagGroup> all = typed;
  for (FlagGroup& group : OwnFlags()) all.push_back(std::move(group));
  if (name == AgentName::kTrancheAgent) typed = all;

  auto parsed = config::ParseArguments(typed, arguments);
  if (!parsed.ok()) return Usage(parsed.status(), name);
  if (parsed->help) {
    fmt::print("{}", Help(name));
    return 0;
  }
  if (parsed->version) {
    fmt::print("{}\n", VersionLine());
    return 0;
  }
  auto environment = config::EnvironmentOverrides(all, Environment);
  if (!environment.ok()) return Usage(environment.status(), name);
  const FlagValues values(*environment, parsed->overrides);
  if (Status status = ConfigureLogging(values); !status.ok()) return Usage(status, name);
  auto options = ToOptions(values);
  if (!options.ok()) return Usage(options.status(), name);
  options->environment = std::move(*environment);
  options->command_line = std::move(parsed->overrides);
  return Serve(std::move(*options));
}

std::vector<std::string> AgentFlagNames() {
  std::vector<FlagGroup> groups{config::UpstreamPluginFlags()};
  for (FlagGroup& group : OwnFlags()) groups.push_back(std::move(group));
  std::vector<std::string> names{"--help", "--version"};
  for (const FlagGroup& group : groups) {
    for (const config::FlagSpec& flag : group.flags) names.push_back("--" + flag.name);
  }
  return names;
}

}  // namespace tranche::cli
