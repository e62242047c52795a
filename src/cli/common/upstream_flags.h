// The flags and environment variables of NVIDIA's programs. Their defaults are those of config.h.
//
// Threading: plain values; any thread.
// Errors: none.
#pragma once

#include "cli/common/flag_table.h"

namespace tranche::cli::common {

// The flags of NVIDIA's device plugin. Their values end up in LoadConfig, but for "config-file" and
// "kubelet-socket".
FlagGroup UpstreamPluginFlags();
// gpu-feature-discovery's. Beside "config-file" those about Kubernetes are not LoadConfig's:
// "kubeconfig", "kube-api-qps", "kube-api-burst", "namespace", "node-name", "pod-name".
FlagGroup UpstreamFeatureDiscoveryFlags();

}  // namespace tranche::cli::common
