#include "cli/programs/feature_discovery_flags.h"

#include "cli/common/upstream_flags.h"
#include "cli/programs/unused_values.h"

namespace tranche::cli::programs {

namespace {

using common::Flag;

// An argument that upstream does not know is an error, as it is with upstream.
common::FlagGroup OwnVariables() {
  return {.title = "Ours, by environment only",
          .flags =
              {
                  Flag("labels")
                      .Env("TRANCHE_LABELS")
                      .DefaultWords("by --use-node-feature-api")
                      .Help("where labels go: none, nfd-file, node-feature, or node itself"),
                  Flag("sys-root")
                      .Env("TRANCHE_SYS_ROOT")
                      .Help("prefix for /sys and /proc (simulated nodes)"),
                  Flag("log-level")
                      .Env("TRANCHE_LOG_LEVEL")
                      .Default("info")
                      .Help("debug, info, warning or error"),
                  Flag("log-format").Env("TRANCHE_LOG_FORMAT").Default("text").Help("text or json"),
                  UnusedValuesFlag(),
              },
          .environment_only = true};
}

}  // namespace

std::vector<common::FlagGroup> FeatureDiscoveryFlags() {
  return {common::UpstreamFeatureDiscoveryFlags(), OwnVariables()};
}

}  // namespace tranche::cli::programs
