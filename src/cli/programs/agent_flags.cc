#include "cli/programs/agent_flags.h"

#include <string>
#include <utility>

#include "cdi/shim.h"
#include "cli/common/defaults.h"
#include "cli/common/upstream_flags.h"
#include "cli/programs/profile_flags.h"
#include "cli/programs/unused_values.h"
#include "config/config.h"

namespace tranche::cli::programs {

namespace {

using common::BoolFlag;
using common::Flag;
using common::FlagGroup;
using common::ListFlag;

void Append(std::vector<common::FlagSpec>& flags, std::vector<common::FlagSpec> more) {
  for (common::FlagSpec& flag : more) flags.push_back(std::move(flag));
}

FlagGroup ProfileFlags() {
  FlagGroup group{
      .title = "Profiles",
      .flags = {
          Flag("profiles-dir")
              .Env("TRANCHE_PROFILES_DIR")
              .Help("folder of named configs (a mounted ConfigMap), watched; beats --config-file"),
          Flag("profile").Env("TRANCHE_PROFILE").Help("name of the config to use from that folder"),
          Flag("profile-file")
              .Env("TRANCHE_PROFILE_FILE")
              .Help("file that holds the name, watched; an empty one chooses none"),
      }};
  Append(group.flags, DefaultProfileFlags());
  return group;
}

FlagGroup KubernetesFlags() {
  FlagGroup group{.title = "Kubernetes (an API server is asked only where one of these says so)",
                  .flags = ClusterProfileFlags()};
  Append(group.flags,
         {
             Flag("cluster-policy")
                 .Env("TRANCHE_CLUSTER_POLICY")
                 .Help("name of a ClusterPolicy of the GPU operator to take ConfigMap and default "
                       "profile from; implies --watch-node"),
             Flag("policy-namespace")
                 .Env("TRANCHE_POLICY_NAMESPACE")
                 .Env("NAMESPACE")
                 .Help("namespace of the ConfigMap that the ClusterPolicy names; empty: that of "
                       "this program's account"),
             BoolFlag("events", false)
                 .Env("TRANCHE_EVENTS")
                 .Help("tell what happens as Kubernetes Events on the node"),
             KubeconfigFlag(),
         });
  return group;
}

FlagGroup LabelFlags() {
  const config::GfdFlags defaults;
  return {.title = "Labels (what gpu-feature-discovery does, from the plan that is served)",
          .flags = {
              Flag("labels")
                  .Env("TRANCHE_LABELS")
                  .Default("none")
                  .Help("where the node's labels go: none, nfd-file, node-feature, or node itself"),
              BoolFlag("no-timestamp", defaults.no_timestamp)
                  .Env("GFD_NO_TIMESTAMP")
                  .Help("leave the label nvidia.com/gfd.timestamp out"),
              Flag("output-file")
                  .Env("GFD_OUTPUT_FILE")
                  .Default(defaults.output_file)
                  .Help("the file that --labels=nfd-file writes"),
              Flag("machine-type-file")
                  .Env("GFD_MACHINE_TYPE_FILE")
                  .Default(defaults.machine_type_file)
                  .Help("the file that names the machine's type"),
              Flag("namespace")
                  .Env("NAMESPACE")
                  .Default("default")
                  .Help("namespace of the NodeFeature object"),
              Flag("pod-name")
                  .Env("POD_NAME")
                  .Help("name of this program's pod; the NodeFeature object is removed with it"),
          }};
}

FlagGroup NodeFlags() {
  return {.title = "Places on the node",
          .flags = {
              Flag("pod-resources-socket")
                  .Env("TRANCHE_POD_RESOURCES_SOCKET")
                  .Default(common::kPodResourcesSocket)
                  .Help("where to ask the kubelet which devices pods hold; empty: do without"),
              Flag("run-dir")
                  .Env("TRANCHE_RUN_DIR")
                  .Default(common::kAgentRunDirectory)
                  .Help("where status.json is written; empty: nowhere"),
              Flag("cdi-dir")
                  .Env("TRANCHE_CDI_DIR")
                  .Default("/var/run/cdi")
                  .Help("where CDI specs are written"),
              ListFlag("shim-cdi-dirs")
                  .Env("TRANCHE_SHIM_CDI_DIRS")
                  .Default(cdi::kShimDirectories)
                  .Help("where tranche node publishes the shim of memory walls"),
              Flag("sys-root")
                  .Env("TRANCHE_SYS_ROOT")
                  .Help("prefix for /sys and /proc (simulated nodes)"),
              Flag("node-name").Env("NODE_NAME").Help("name of this node"),
          }};
}

FlagGroup RunningFlags() {
  return {.title = "Running",
          .flags = {
              Flag("listen")
                  .Env("TRANCHE_LISTEN")
                  .Default(std::to_string(common::kAgentPort))
                  .Help("[address:]port of /metrics, /livez and /readyz, such as 9435 (IPv4 and "
                        "IPv6) or 127.0.0.1:9435; empty: none"),
              Flag("rescan-interval")
                  .Env("TRANCHE_RESCAN_INTERVAL")
                  .Default("10s")
                  .Help("how often to look for lost GPUs, hot-plug and MIG changes"),
              Flag("log-level")
                  .Env("TRANCHE_LOG_LEVEL")
                  .Default("info")
                  .Help("debug, info, warning or error"),
              Flag("log-format").Env("TRANCHE_LOG_FORMAT").Default("text").Help("text or json"),
              UnusedValuesFlag(),
          }};
}

// Upstream has no flags for these either.
FlagGroup HealthVariables() {
  return {.title = "Health, by environment only",
          .flags =
              {
                  Flag("disable-healthchecks")
                      .Env("DP_DISABLE_HEALTHCHECKS")
                      .Help("XIDs to ignore, split by commas; all (or xids): every one"),
                  Flag("enable-healthchecks")
                      .Env("DP_ENABLE_HEALTHCHECKS")
                      .Help("XIDs to heed all the same, split by commas; all: every one. What is "
                            "named here counts for nothing where all are disabled"),
              },
          .environment_only = true};
}

}  // namespace

std::vector<FlagGroup> AgentFlags(AgentName name) {
  std::vector<FlagGroup> groups{common::UpstreamPluginFlags()};
  for (FlagGroup group :
       {ProfileFlags(), KubernetesFlags(), LabelFlags(), NodeFlags(), RunningFlags()}) {
    group.environment_only = name == AgentName::kNvidiaDevicePlugin;
    groups.push_back(std::move(group));
  }
  groups.push_back(HealthVariables());
  return groups;
}

}  // namespace tranche::cli::programs
