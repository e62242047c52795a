// Turns YAML (or JSON) text, flags and environment into one validated Config.
//
// It reads neither files nor the environment itself, so that it can be fuzzed and replayed.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status with the line. Text over kMaxConfigBytes, nesting over 64 levels and aliases
// that expand beyond 1,000,000 nodes are refused.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "config/config.h"
#include "config/yaml/diagnostic.h"
#include "config/yaml/tree.h"

namespace tranche::config {

inline constexpr std::size_t kMaxConfigBytes = yaml::kMaxTextBytes;

using yaml::Diagnostic;
using yaml::Severity;

// "file.yaml:12:5: warning: unknown key 'sharring' at the top level; did you mean 'sharing'?"
std::string FormatDiagnostic(const std::string& source, const Diagnostic& diagnostic);

// One value given on the command line or in the environment. `present` with an empty value counts
// as set (upstream's rule); lists arrive split. The name is the long flag without dashes:
// "mig-strategy", "device-list-strategy", …
struct Override {
  std::string flag;
  std::vector<std::string> values;
  std::string origin;  // "--mig-strategy" or "MIG_STRATEGY", for messages
};

// Whose config it is. gpu-feature-discovery takes any value of what only the plugin uses: list and
// id strategy, allocation policy and IMEX channels; and an empty MIG strategy is `none` to it.
enum class Reader { kPlugin, kFeatureDiscovery };

struct Loaded {
  Config config;
  std::vector<Diagnostic> warnings;
};

// Of very many findings the first kMaxFindings are kept, and one more that says how many there
// were.
inline constexpr std::size_t kMaxFindings = 100;

// What is to be said of a file, mistakes and warnings together, in the order of its lines; and the
// config, where it can be used. Where it cannot, one finding at least is an error.
struct Checked {
  std::optional<Config> config;
  std::vector<Diagnostic> findings;
  base::Code code = base::Code::kInvalidArgument;  // of what keeps it from being used
};

// Parse and validate. Command line beats environment beats file.
Checked CheckConfig(std::string_view text, const std::vector<Override>& environment,
                    const std::vector<Override>& command_line, Reader reader = Reader::kPlugin);

// The same, for whoever needs the config: the error's message is the first mistake, as
// "FILE:LINE:COLUMN: what is wrong; what to write", and how many more there are.
base::Result<Loaded> LoadConfig(std::string_view text, const std::string& source,
                                const std::vector<Override>& environment,
                                const std::vector<Override>& command_line,
                                Reader reader = Reader::kPlugin);

// What upstream makes of the same file, its error texts included: its normalised config (keys,
// defaults, order as in tests/conformance/config-vectors.jsonl), after its "not yet supported" step
// and before flag validation; and the warnings of that step. Accepts sharing.mps and every other
// thing that LoadConfig refuses as unsupported. Only file text: no flags, no environment.
struct Normalised {
  base::Json config;
  std::vector<std::string> upstream_warnings;
};
base::Result<Normalised> Normalise(std::string_view text);

}  // namespace tranche::config
