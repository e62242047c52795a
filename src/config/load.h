// Turns YAML (or JSON) text, flags and environment into one validated Config.
//
// It reads neither files nor the environment itself, so that it can be fuzzed and replayed.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status with the line. Text over kMaxConfigBytes, nesting over 64 levels, aliases that
// expand beyond 1,000,000 nodes, and more values than yaml_tree.h allows for the size of the text
// are refused.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "config/config.h"

namespace tranche::config {

inline constexpr std::size_t kMaxConfigBytes = 1U << 20U;  // a ConfigMap holds no more

enum class Severity { kWarning, kError };

// A message for the user about a file. `line` and `column` count from 1; 0 is unknown.
struct Diagnostic {
  Severity severity = Severity::kWarning;
  std::string message;  // for people, without the position
  int line = 0;
  int column = 0;
  bool unknown_key = false;  // an error in `tranche validate`, a warning everywhere else
};

// "file.yaml:12:5: warning: unknown key 'sharring' (did you mean 'sharing'?)"
std::string FormatDiagnostic(const std::string& source, const Diagnostic& diagnostic);

// One value given on the command line or in the environment. `present` with an empty value counts
// as set (upstream's rule); lists arrive split. The name is the long flag without dashes:
// "mig-strategy", "device-list-strategy", …
struct Override {
  std::string flag;
  std::vector<std::string> values;
  std::string origin;  // "--mig-strategy" or "MIG_STRATEGY", for messages
};

struct Loaded {
  Config config;
  std::vector<Diagnostic> warnings;
};

// Parse and validate. The error's message is upstream's text where upstream has one, from
// "unable to load config: …" or "unable to validate flags: …" on, followed by " (FILE:LINE)" where
// the place is known. CLI overrides come after environment overrides in precedence and both replace
// the file's values.
// Lines count from `first_line`, for a text that is a part of a file. Of very many warnings the
// first kMaxWarnings are kept, and one more that says how many there were.
inline constexpr std::size_t kMaxWarnings = 100;
base::Result<Loaded> LoadConfig(std::string_view text, const std::string& source,
                                const std::vector<Override>& environment,
                                const std::vector<Override>& command_line, int first_line = 1);

// What upstream prints of the same file: its normalised config (keys, defaults, order as in
// tests/conformance/config-vectors.jsonl), after its "not yet supported" step and before flag
// validation; and the warnings of that step. Accepts sharing.mps and every other thing that
// LoadConfig refuses as unsupported. Only file text: no flags, no environment.
struct Normalised {
  base::Json config;
  std::vector<std::string> upstream_warnings;
};
base::Result<Normalised> Normalise(std::string_view text);

}  // namespace tranche::config
