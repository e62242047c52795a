// `tranche cleanup`: removes from a node what an uninstalled agent, and an uninstalled `tranche
// node`, leave there.
//
// Only files of our names are touched. Whatever else lies beside them stays, and so does a folder
// that it keeps from being empty. Some of ours is left alone too, which is then said: everything
// while an agent runs (unless forced), what another plugin serves or has written, and CDI specs
// and the shim of memory walls while pods hold GPUs, whose containers would not start again without
// them (unless all is asked for). What is `tranche node`'s stays while one runs (unless forced).
//
// Threading: one thread.
// Errors: exit code 1 where an agent runs, or something could not be removed; else 0.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/status.h"
#include "kubelet/pod_resources.h"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace tranche::cli::node {

struct CleanupOptions {
  std::string root;  // goes before every path: the host's root, mounted
  bool dry_run = false;
  bool force = false;
  bool all = false;
};

// What pods hold, from the pod-resources socket at a path. kNotFound: no such socket, so no
// kubelet.
using HoldingsReader =
    std::function<base::Result<std::vector<kubelet::Holding>>(const std::string& socket)>;

struct CleanupItem {
  std::string path;
  std::string kept;  // "": to be removed; else why not
};
struct CleanupPlan {
  std::string agent;                 // "" or the one that runs
  std::vector<CleanupItem> files;    // sorted as found
  std::vector<std::string> folders;  // to be removed where that leaves them empty
};
CleanupPlan PlanCleanup(const CleanupOptions& options, const HoldingsReader& holdings);

int RunCleanup(const CleanupOptions& options, const HoldingsReader& holdings, std::ostream& out,
               std::ostream& errors);

// Adds the subcommand; `exit_code` is set when it was the one typed.
void AddCleanupCommand(CLI::App& app, int& exit_code);

}  // namespace tranche::cli::node
