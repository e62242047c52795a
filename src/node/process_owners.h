// ProcessOwners knows whose a process is: of which pod and container, and how those are called.
//
// The kernel says which pod's group a process is in, and the API server how pods and containers are
// called. Without the API server pods go by their UIDs.
//
// Threading: the loop's thread.
// Errors: status() says why the API server does not tell of pods.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "gpu/usage.h"
#include "node/identity/cgroup.h"
#include "node/identity/pods.h"
#include "node/identity/proc.h"
#include "node/identity/processes.h"
#include "node/sight/sight.h"

namespace tranche::node {

class ProcessOwners {
 public:
  struct Owner {
    std::function<void()> status_changed;
    std::function<void()> pods_changed;  // a pod has come, or is another
  };

  // `node_name`: the node whose pods are asked for; "": names are not asked for.
  ProcessOwners(base::EventLoop& loop, std::unique_ptr<identity::Proc> proc, std::string node_name,
                Owner owner);

  void Connect(apiserver::ApiClient& api);  // which outlives this
  void CannotConnect(const base::Status& why);

  // What sight asks.
  [[nodiscard]] sight::Whose WhoseIs(unsigned pid);
  // The container by its name; nullopt where it is not known (yet).
  [[nodiscard]] std::optional<sight::Holder> Named(const identity::PodGroup& group) const;
  [[nodiscard]] std::optional<bool> Alive(const sight::Holder& holder) const;

  // After a look at the GPUs: only the processes that it showed are remembered.
  void UsageRead(const gpu::Usage& usage);
  // Of a process that sight has asked for; without a UID: of no pod.
  [[nodiscard]] identity::PodGroup GroupOf(unsigned pid) const;

  [[nodiscard]] identity::Proc& proc() const { return *proc_; }
  [[nodiscard]] const identity::Pods& pods() const { return pods_; }
  [[nodiscard]] const base::Status& status() const { return status_; }

 private:
  [[nodiscard]] sight::Holder HolderOf(const identity::PodGroup& group) const;

  const std::string node_name_;
  const Owner owner_;
  base::Status status_;
  std::unique_ptr<identity::Proc> proc_;
  identity::Processes processes_;
  identity::Pods pods_;
  std::unique_ptr<apiserver::ApiWatch> watch_;
};

}  // namespace tranche::node
