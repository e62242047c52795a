#include "cli/programs/profile_flags.h"

#include <utility>

#include "cli/common/defaults.h"
#include "profile/choose.h"

namespace tranche::cli::programs {

using common::BoolFlag;
using common::Flag;
using common::FlagSpec;

FlagSpec FallbacksFlag() {
  return common::ListFlag("fallback-strategies")
      .Env("FALLBACK_STRATEGIES")
      .Help("what to try, in order, where there is no default either: named, single, empty");
}

std::vector<FlagSpec> DefaultProfileFlags() {
  return {Flag("default-profile").Env("DEFAULT_CONFIG").Help("config to use where none is chosen"),
          FallbacksFlag()};
}

std::vector<FlagSpec> ClusterProfileFlags() {
  return {
      BoolFlag("watch-node", false)
          .Env("TRANCHE_WATCH_NODE")
          .Help("take the profile's name from a label of this node"),
      Flag("node-label")
          .Env("NODE_LABEL")
          .Default(common::kProfileLabel)
          .Help("key of the label that --watch-node reads; empty: the default"),
      Flag("profiles-configmap")
          .Env("TRANCHE_PROFILES_CONFIGMAP")
          .Help("NAMESPACE/NAME of a ConfigMap of named configs, watched; beats configs in files"),
  };
}

FlagSpec KubeconfigFlag() {
  return Flag("kubeconfig")
      .Env("KUBECONFIG")
      .Help("how to reach the API server; empty: as the pod's service account");
}

base::Status ReadProfileFlags(const common::FlagValues& values, const std::string& node_name,
                              profile::FileSourceOptions& files,
                              profile::ClusterSourceOptions& cluster) {
  files.config_file = values.Text("config-file");
  files.default_profile = values.Text("default-profile");
  auto fallbacks = profile::ParseFallbacks(values.List("fallback-strategies"));
  if (!fallbacks.ok()) return fallbacks.status();
  files.fallbacks = *std::move(fallbacks);
  cluster.node_name = node_name;
  cluster.watch_node = values.Bool("watch-node");
  cluster.node_label = values.TextUnlessEmpty("node-label");
  cluster.config_map = values.Text("profiles-configmap");
  return cluster.Check(files);
}

}  // namespace tranche::cli::programs
