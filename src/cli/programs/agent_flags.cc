#include "cli/programs/agent_flags.h"

#include <string>

namespace tranche::cli::programs {

namespace {

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

}  // namespace

std::vector<FlagGroup> AgentFlags() {
  return {ProfileFlags(), KubernetesFlags(), LabelFlags(), NodeFlags(), RunningFlags()};
}

}  // namespace tranche::cli::programs
