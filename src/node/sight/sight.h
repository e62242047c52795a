// Sight measures from outside who uses the GPUs of a node: it adds up what the driver says of them,
// by pod and container.
//
// A GPU that is cut by MIG has one account for each MIG device. The driver samples no processes
// there, so those accounts have memory and processes, and neither time nor what is made of it.
//
// A container begins before the API server tells how it is called. What it computes until then is
// held back, for kNameWithinUs at most, and given to it afterwards.
//
// An account of a container ends with its pod. Where nobody tells of pods it ends once the
// container has had neither a process nor a grant for kForget.
//
// Threading: one thread; pure.
// Errors: none. What the driver does not tell is absent, and Account::unmeasured says why.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gpu/device.h"
#include "gpu/usage.h"
#include "node/identity/held.h"
#include "node/sight/account.h"
#include "node/sight/windows.h"
#include "share/memory_limits.h"

namespace tranche::node::sight {

// Whose a process is.
struct Whose {
  enum class Kind { kPod, kHost, kUnknown };
  Kind kind = Kind::kUnknown;
  Holder holder;             // of kPod
  bool memory_only = false;  // what was computed under this pid may be another process's
  // Of a container whose name may become known: its id. The holder is then of as much as is known.
  std::string unnamed_id = {};
};

class Sight {
 public:
  static constexpr std::uint64_t kForgetUs = 60'000'000;
  // The kubelet tells of a container within a second or two, and every ten seconds at the latest.
  static constexpr std::uint64_t kNameWithinUs = 30'000'000;

  struct Sources {
    std::function<Whose(unsigned pid)> whose;  // called once for each pid and look
    // Whether the pod is there; nullopt where nobody knows.
    std::function<std::optional<bool>(const Holder&)> alive;
    // By its name, a container of this pod (its UID); nullopt while that is not known.
    std::function<std::optional<Holder>(const std::string& pod_uid, const std::string& id)> named;
  };
  explicit Sight(Sources sources) : sources_(std::move(sources)) {}

  // What to ask the driver for next.
  [[nodiscard]] std::vector<gpu::UsageQuery> Queries(const gpu::Inventory& inventory) const;
  // Adds what it has answered. GPUs that are no longer there are forgotten.
  void Add(const gpu::Inventory& inventory, const gpu::Usage& usage);
  // Who has been given what; nullopt where the kubelet cannot be asked.
  void SetHeld(const std::optional<std::vector<identity::Held>>& held);

  // How much memory the config lets one share of a device hold, by the device's UUID; one that is
  // not there has no limit.
  void SetShares(std::map<std::string, share::MemoryShare> shares);

  // By the UUID of the GPU or MIG device.
  [[nodiscard]] const std::map<std::string, Account>& accounts() const { return accounts_; }
  // What the sensors of a GPU said at the last look.
  [[nodiscard]] const std::map<std::string, gpu::DeviceUsage>& usage() const { return usage_; }
  // Whether it is known who has been given what.
  [[nodiscard]] bool held_known() const { return held_.has_value(); }

 private:
  struct Energy {
    std::optional<std::uint64_t> last_millijoules;
    double waiting_joules = 0;  // for the next window
  };
  // What a container was given of a device, by its series' name where no process of it was seen.
  struct Grant {
    Holder holder;
    Holder pods_first;  // before which no container of the pod stands
    std::string device;
    int replicas = 0;
  };
  void BeginLook(std::uint64_t now_us);
  void ForgetGrants();
  void AddGrants();
  void AddGrant(Account& account, const Grant& grant, std::optional<std::uint64_t> limit);
  void AddProcesses(const gpu::Gpu& gpu, const gpu::DeviceUsage& usage);
  void NoteLimits(Account& account);
  void AddTime(const std::string& uuid, const gpu::DeviceUsage& usage);
  void AddWindow(Account& account, const Window& window, double joules);
  Unnamed* UnnamedOf(Account& account, const Whose& whose);
  void GiveToTheNamed(Account& account);
  void Give(Account& account, Unnamed& one, const std::optional<Holder>& to);
  void EndLook();
  [[nodiscard]] bool Ended(const Holder& holder, const PodUse& use) const;
  const Whose& WhoseIs(unsigned pid);
  PodUse* PodOf(Account& account, const Holder& holder);

  Sources sources_;
  std::optional<std::vector<Grant>> held_;
  std::map<std::string, share::MemoryShare> shares_;
  std::map<std::string, Account> accounts_;
  // Who was given what is put into the accounts only where it, or who is in them, has changed.
  bool grants_are_in_ = false;
  std::map<std::string, gpu::DeviceUsage> usage_;
  std::map<std::string, Windows> windows_;
  std::map<std::string, Energy> energy_;
  // Of the look under way.
  std::uint64_t now_us_ = 0;
  std::map<unsigned, Whose> whose_;
};

}  // namespace tranche::node::sight
