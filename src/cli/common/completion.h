// Shell completion: `tranche completion bash|zsh|fish` prints a small script which asks the program
// itself, so that completion never disagrees with what the program accepts.
//
// Threading: plain functions, safe on any thread.
// Errors: none; a shell that is not known has an empty script.
#pragma once

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::common {

// The script to source. Empty: a shell we do not know.
std::string CompletionScript(const std::string& shell);

// What may come next after `words` (program name left out; the last one is being typed and may be
// empty), one a line, sorted. `agent_flags`: those of `tranche agent`, which CLI11 does not know.
std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const std::vector<std::string>& agent_flags);

}  // namespace tranche::cli::common
