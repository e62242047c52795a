// Arbiter holds up the walls of this node: it gives each pod with a limit its two pages, tells
// programs that attach which slot is theirs, and gives back what a program held when it has ended.
//
// Nothing happens before a rule asks for it (SetRules), or a forerunner's record. Then it listens
// at the door until it ends. It decides nothing about one allocation: programs do, in their pod's
// pages (wire/ledger.h), also while this program is away. A successor finds the pages by the record
// and takes them over, some processes in each turn of the loop: until it has looked at all of them,
// programs of pods that it has not found are told to ask again, and what is said of rules, grants
// and asks waits.
//
// Threading: the loop's thread.
// Errors: Trouble() says what keeps walls from standing, and TryAgain() tries it again; the rest
// goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "gpu/device.h"
#include "gpu/usage.h"
#include "node/identity/cgroup.h"
#include "node/identity/held.h"
#include "node/identity/pods.h"
#include "node/identity/proc.h"
#include "node/walls/door.h"
#include "node/walls/evidence.h"
#include "node/walls/inside.h"
#include "node/walls/news.h"
#include "node/walls/pod_ledger.h"
#include "node/walls/pod_limits.h"
#include "node/walls/record.h"

namespace tranche::node::walls {

// One pod on one device, for reports.
struct Wall {
  PodName pod;
  std::string pod_uid;
  std::string device;
  std::uint64_t limit_bytes = 0;
  std::uint64_t used_bytes = 0;  // contexts included; the pod's own word
  std::uint64_t context_bytes = 0;
  std::uint64_t refusals = 0;
  std::size_t programs = 0;          // attached
  std::uint64_t passed_through = 0;  // calls that shims passed on because of trouble of their own
  // Whether every program of the pod that the driver shows on the device keeps to the wall; nullopt
  // where none has come yet.
  std::optional<bool> walled;
  Reason reason;                // why not
  bool mismatch = false;        // the driver shows more than the ledger
  bool refused_lately = false;  // memory, within Evidence::kLatelyUs
};

// The devices of a pod's pages, and whether its programs go on where nobody arbitrates.
std::vector<WalledDevice> DevicesOf(const GrantedPod& granted);
bool AwayOpen(const GrantedPod& granted);

class Arbiter {
 public:
  // Attached, of all pods; fewer where this program may not have so many descriptors. The last
  // quarter of the places is for pods that have few.
  static constexpr std::size_t kMaxPrograms = 16384;
  // Why a program has not attached is looked at so often, and whether it has become another one
  // where nobody answers.
  static constexpr std::uint64_t kLookInsideUs = 10'000'000;
  static constexpr base::Duration kSettle = std::chrono::milliseconds(10);
  // For counters that never come to rest, because their pod has written over them.
  static constexpr base::Duration kSettleMost = std::chrono::milliseconds(100);

  struct Options {
    std::string directory;  // of the socket; "": no walls
    std::string record;     // file; "": none is kept, and a successor takes nothing over
    std::string proc_root = "/proc";
    Births births = Births::kNotTold;  // what comes of the shim at births
    std::size_t max_programs = kMaxPrograms;
  };
  struct Sources {
    std::function<identity::Owner(const identity::PodGroup&)> owner;
    std::function<void()> ask_kubelet;  // who holds what, soon
    std::function<void()> look;         // ask the driver who uses the GPUs, now
    // What annotations ask for a pod; nullopt: it is not known (yet).
    std::function<std::optional<identity::MemoryAsk>(const std::string& uid)> ask;
    TellNews tell;
    // What can be seen of a program that has not attached (inside.h), now or later.
    std::function<void(unsigned pid, std::string container_id, std::function<void(Inside)> done)>
        look_inside;
    // Whether a program has the counters mapped (record.h), now or later, or never where that is
    // not known.
    std::function<void(unsigned pid, PageIdentity counters, std::function<void(bool)> done)>
        has_page;
  };

  Arbiter(base::EventLoop& loop, identity::Proc& proc, Options options, Sources sources);
  Arbiter(const Arbiter&) = delete;
  Arbiter& operator=(const Arbiter&) = delete;
  ~Arbiter();

  // Takes over what a forerunner has recorded. Call once, before anything else.
  void Start();
  void SetRules(plan::MemoryRules rules);
  // What keeps walls from standing may be gone: call this now and then.
  void TryAgain();
  // By pods' UIDs, as far as they are known.
  void SetHeld(const std::vector<identity::Held>& held);
  // Annotations of any pod may be others.
  void AsksChanged();
  // The driver is about to be asked who uses the GPUs.
  void LookBegins();
  // What it said. `whose`: the pod and container of a process; one without a UID for none.
  using WhoseIs = std::function<identity::PodGroup(unsigned pid)>;
  void UsageRead(const gpu::Inventory& inventory, const gpu::Usage& usage, const WhoseIs& whose);

  [[nodiscard]] std::vector<Wall> Walls() const;
  [[nodiscard]] bool asked_for() const {
    return !limits_.rules().empty() || !limits_.grants().pods().empty();
  }
  // No wall stands, none is asked for, and nobody waits for one.
  [[nodiscard]] bool idle() const {
    return !asked_for() && pods_.empty() && asked_.empty() && !takes_over();
  }
  // A forerunner's pages are still looked for.
  [[nodiscard]] bool takes_over() const { return search_ != nullptr; }
  [[nodiscard]] const base::Status& Trouble() const { return trouble_; }
  [[nodiscard]] const DoorCounts& counts() const { return door_.counts(); }
  [[nodiscard]] std::size_t programs() const { return watched_.size(); }

 private:
  struct Pod {
    PodName name;
    bool away_open = true;
    std::unique_ptr<PodLedger> ledger;
  };
  using Seat = std::pair<std::string, unsigned>;  // pod and slot
  struct Watched {
    base::UniqueFd process;
    base::EventLoop::WatchId watch = 0;
  };
  struct Measuring {
    Seat seat;
    unsigned device = 0;
    std::uint64_t held_before = 0;
    std::uint64_t asked_us = 0;
  };
  struct TakingOver {
    TakingOver(base::EventLoop& loop, PageSearch from) : pages(std::move(from)), next(loop) {}
    PageSearch pages;
    base::Timer next;
    // What was said meanwhile.
    std::function<void()> rules;
    std::function<void()> held;
    std::function<void()> asks;
  };
  struct Look {  // into a program that has not attached
    std::uint64_t asked_us = 0;
    std::optional<Inside> inside;
    bool there = true;  // in the look at the GPUs that is under way
  };

  void RaiseDescriptorLimit();
  void OpenDoor();
  [[nodiscard]] bool GoesOnAlone() const;
  [[nodiscard]] bool HasPlaceFor(const PodLedger& ledger) const;
  void Handle(Door::ConnectionId id, Caller& caller, const Request& request);
  void Greet(Door::ConnectionId id, Caller& caller, const wire::Hello& hello);
  void Show(Door::ConnectionId id, const Caller& caller);
  void Measure(Door::ConnectionId id, const Caller& caller, const wire::Measure& measure);
  wire::Status Admit(const Caller& caller);
  base::Status MakeLedger(const std::string& uid, const GrantedPod& granted);
  [[nodiscard]] std::uint64_t UsedBy(const std::string& uid, const std::string& device) const;
  void LimitsChanged(const std::set<std::string>& uids);
  void Watch(const Seat& seat, base::UniqueFd process);
  void Unwatch(const Seat& seat);
  void Ended(const Seat& seat);
  void LeaveSeat(const Seat& seat, PodLedger& ledger);
  [[nodiscard]] bool HasEnded(const Seat& seat) const;
  void Settle();
  void Search();
  void SearchEnds();
  void TakeOver(PageSearch::Found found);
  void RestorePrograms(const std::string& uid, PodLedger& ledger);
  void Write();
  void Forget();
  void LeaveReplaced(const gpu::Usage& usage);
  void AskForPage(const Seat& seat, const Program& program, std::uint64_t time_us);
  void SeeDevice(const gpu::Gpu& gpu, const gpu::DeviceUsage& shown, std::uint64_t time_us,
                 const WhoseIs& whose);
  void SeeAttached(const Evidence::Key& key, PodLedger& ledger, unsigned slot,
                   const gpu::RunningProcess& process, std::uint64_t time_us);
  Reason WhyUnattached(const identity::PodGroup& group, unsigned pid, std::uint64_t time_us);
  void ReportFound(const Evidence::Found& found);
  void AddWall(std::vector<Wall>& walls, Wall wall) const;
  void AnswerMeasures(const std::string& device, unsigned pid, std::uint64_t bytes,
                      std::uint64_t time_us);
  void EndMeasures(std::uint64_t time_us);

  base::EventLoop& loop_;
  identity::Proc& proc_;
  const Options options_;
  const Sources sources_;
  PodLimits limits_;
  std::map<std::string, int> asked_;  // unknown pods, and the answers since
  std::map<std::string, Pod> pods_;   // by UID
  std::map<Seat, Watched> watched_;
  std::map<Door::ConnectionId, Measuring> measuring_;
  std::uint64_t look_began_us_ = 0;
  Evidence evidence_;
  std::map<unsigned, Look> looks_;            // by pid
  std::map<Seat, std::uint64_t> page_asked_;  // when, where there is no answer yet
  base::Status trouble_;
  std::unique_ptr<TakingOver> search_;
  base::Timer settle_;
  base::Duration settle_wait_ = kSettle;
  std::size_t max_programs_ = 0;
  std::size_t max_connections_ = 0;
  Door door_;
};

}  // namespace tranche::node::walls
