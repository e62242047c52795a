// Completes `kubectl tranche …`: kubectl runs `kubectl_complete-tranche WORD…`, where the last word
// is being typed, and reads candidates, one per line, and then a directive:
// https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
//
// Threading: plain functions. Only the two functions of CompletionSources ask a cluster.
// Errors: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tranche::cli::kubectl {

struct CompletionSources {
  std::function<std::vector<std::string>()> nodes;
  std::function<std::vector<std::string>(const std::string& node)> profiles;
};

// The lines to print. ":4" at the end: no files; ":0": files too.
std::vector<std::string> CompleteKubectl(const std::vector<std::string>& words,
                                         const CompletionSources& sources);

// The value of `flag` among words that are not all typed yet; "" where it is not there.
std::string TypedFlag(const std::vector<std::string>& words, const std::string& flag);

}  // namespace tranche::cli::kubectl
