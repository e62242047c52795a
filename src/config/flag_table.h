// The flags and environment variables of NVIDIA's programs as tables, and how their command line
// library (urfave/cli v2 over Go's `flag`) reads them. Our own flags go in a second group.
//
// Pure: environment and arguments are handed in. Safe from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "config/load.h"

namespace tranche::config {

enum class FlagKind { kText, kBool, kTextList, kIntList };

struct FlagSpec {
  std::string name;                      // the long flag without dashes
  std::vector<std::string> aliases;      // other names, without dashes
  std::vector<std::string> environment;  // the first that is present counts
  FlagKind kind = FlagKind::kText;
  std::string default_text;  // for the help
  std::string help;          // one sentence; choices in it
};

// Flags under one heading of the help.
struct FlagGroup {
  std::string title;
  std::vector<FlagSpec> flags;
};

// Upstream's flags. Their values end up in LoadConfig, but for "config-file" and "kubelet-socket".
FlagGroup UpstreamPluginFlags();
// The same for NVIDIA's gpu-feature-discovery. Beside "config-file" those about Kubernetes are not
// LoadConfig's: "kubeconfig", "kube-api-qps", "kube-api-burst", "namespace", "node-name",
// "pod-name".
FlagGroup UpstreamFeatureDiscoveryFlags();

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

// Every variable that is present, as overrides by flag name; present but empty counts as set (an
// empty list of integers does not). kInvalidArgument in upstream's words.
base::Result<std::vector<Override>> EnvironmentOverrides(const std::vector<FlagGroup>& groups,
                                                         const EnvironmentLookup& lookup);

struct ParsedArguments {
  std::vector<Override> overrides;  // one per flag, by its name; repeated lists are appended
  bool help = false;                // --help, -h
  bool version = false;             // --version, -v
};

// The arguments after the program's name. `--flag=value` and `--flag value` (one dash does too); a
// bool takes no separate word. The first word that is no flag ends the flags, it and the rest are
// ignored. kInvalidArgument in Go's words: print the help and exit 1.
base::Result<ParsedArguments> ParseArguments(const std::vector<FlagGroup>& groups,
                                             const std::vector<std::string>& arguments);

// The value of a flag after precedence: command line, environment, nothing.
std::optional<std::string> FlagValue(std::string_view flag,
                                     const std::vector<Override>& environment,
                                     const std::vector<Override>& command_line);

// Flags by group with their variables and defaults, for --help.
std::string FormatFlags(const std::vector<FlagGroup>& groups);

}  // namespace tranche::config
