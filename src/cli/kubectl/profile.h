// `kubectl tranche profile` labels a node and waits until the profile that the label names is in
// force there: the agent reports it, and the node's allocatable follows.
//
// Threading: one thread.
// Errors: exit codes are 0 in force, 1 labelled but not in force (the reason is shown, the label
// stays), 2 not labelled, or it cannot be found out what is in force.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

#include "base/json.h"
#include "cli/kubectl/cluster.h"
#include "cli/kubectl/status.h"

namespace tranche::cli::kubectl {

struct ProfileOptions {
  std::string node;
  std::string profile;  // "" with remove
  bool remove = false;
  bool wait = true;
  base::Duration timeout = std::chrono::seconds(60);
  ClusterView view;
};

// A label's value: at most 63 letters, digits, '-', '_' and '.', letters and digits at both ends.
bool IsLabelValue(const std::string& text);

// What an agent's status says of a profile that was asked for since `before` (null: not known).
struct ProfileProgress {
  enum class State { kNotYet, kInForce, kRefused, kCannotTell };
  State state = State::kNotYet;
  std::string reason;  // kRefused
};
ProfileProgress ProgressOf(const base::Json& agent_status, const base::Json& before,
                           const ProfileOptions& options, const std::string& old_profile);

int SetProfile(Cluster& cluster, const ProfileOptions& options, std::ostream& out,
               std::ostream& errors);

}  // namespace tranche::cli::kubectl
