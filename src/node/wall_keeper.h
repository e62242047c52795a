// WallKeeper holds up the memory walls that the config in force asks for: it tells the arbiter
// (walls/arbiter.h) by which rules and for whom, sees to it that pods get the library that keeps to
// them, and tells people what comes of it.
//
// A wall that stands is kept while no config is in force.
//
// Threading: the loop's thread.
// Errors: State() says why walls do not stand, or are not put into pods. Both are tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/disk/worker.h"
#include "base/event_loop.h"
#include "base/timer.h"
#include "daemon/event_log.h"
#include "gpu/device.h"
#include "gpu/usage.h"
#include "node/delivery/delivery.h"
#include "node/followed_config.h"
#include "node/identity/held.h"
#include "node/kubelet_watch.h"
#include "node/process_owners.h"
#include "node/program_looks.h"
#include "node/sight/account.h"
#include "node/status/metrics.h"
#include "node/walls/arbiter.h"
#include "plan/plan.h"
#include "share/memory_limits.h"

namespace tranche::node {

class WallKeeper {
 public:
  static constexpr base::Duration kForgetBirths = std::chrono::minutes(10);
  // What keeps walls from standing is tried again so often.
  static constexpr base::Duration kTryAgain = std::chrono::seconds(10);
  // The driver is asked no more often than this, however many contexts are made at a time.
  static constexpr base::Duration kLookAgain = std::chrono::milliseconds(5);

  struct Options {
    std::string directory;  // of the socket; "": no walls, whatever the config says
    std::string record;     // file; "": none
    walls::InsidePaths inside;
    // How the library that keeps to walls gets into pods.
    delivery::Delivery::Options delivery;
  };
  // The parts of the program that it asks; all of them outlive it.
  struct Parts {
    const FollowedConfig& config;
    const ProcessOwners& owners;
    KubeletWatch& kubelet;
    daemon::EventLog& events;
    base::disk::Worker& disk;
  };
  struct Owner {
    std::function<void()> status_changed;
    std::function<void()> look;  // ask the driver who uses the GPUs, now
  };

  // `looks`: does nothing else, since it may have to wait for programs.
  WallKeeper(base::EventLoop& loop, Options options, std::unique_ptr<base::disk::Worker> looks,
             Parts parts, Owner owner);

  void Start();
  // The config in force, or the devices that it speaks of, may be others.
  void ApplyConfig(const gpu::Inventory& inventory);
  void KubeletAnswered();
  void PodsChanged();
  // The driver is about to be asked who uses the GPUs, and what it said.
  void LookBegins() { arbiter_.LookBegins(); }
  void UsageRead(const gpu::Inventory& inventory, const gpu::Usage& usage);

  // What the config lets one share of each device hold, by the shares that there really are,
  // whoever advertises them.
  [[nodiscard]] std::map<std::string, share::MemoryShare> LimitsOf(
      const std::map<std::string, identity::Shares>& shares,
      const std::map<std::string, sight::Account>& accounts) const;
  [[nodiscard]] status::WallsState State() const;

 private:
  [[nodiscard]] walls::Arbiter::Sources SourcesOfArbiter();
  void TryAgain();
  void TellWhoHoldsWhat();
  void RaiseNews(walls::News news, const identity::PodRef& pod, const std::string& message);
  void Deliver();
  void DeliveryChanged();
  void AskKubeletForNewPods();
  void ForgetBirths();

  Parts parts_;
  const Owner owner_;
  std::optional<plan::Plan> plan_;              // what the config makes of the devices
  std::optional<std::uint64_t> given_version_;  // that the arbiter was told
  std::string undelivered_;                     // why the shim is not published, as last told
  ProgramLooks looks_;
  walls::Arbiter arbiter_;
  delivery::Delivery delivery_;
  base::Timer again_timer_;
  base::Timer look_timer_;
  base::Timer births_timer_;
};

}  // namespace tranche::node
