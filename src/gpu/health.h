// HealthTracker decides which XIDs make a GPU unhealthy, and when it is healthy again. It is a
// state machine without a clock: time goes in as an argument, decisions come out as values.
//
// An XID makes the whole GPU unhealthy, or the MIG devices that it names. How a device recovers
// depends on the policy:
//   auto   after a recoverable XID: when the quiet period has passed without another;
//          after an XID that needs a reset: after a reset (seen as a GPU that was gone and is
//          back), or by command
//   reset  after any XID: only after a reset, or by command
//   never  only by command (or by a restart of the agent: nothing of this is stored)
// A GPU that is gone is unhealthy at once; when it is back the policy decides as after a reset.
// Each trip within an hour of the last recovery doubles the wait; a GPU that was gone and is back
// is healthy at once the first time and waits from the second. Every recovery is reported by a
// HealthChange that says why.
//
// A failed wait for events (kWaitFailed) says nothing about any one GPU. Upstream then marks every
// device unhealthy until a restart, which costs the whole node for one broken GPU. Here it changes
// nothing by itself: the caller has the node scanned again, and GPUs that do not answer are then
// lost.
//
// Threading: one HealthTracker per node, owned by the loop's thread; the other functions are safe
// on any thread.
// Errors: Clear refuses a device that is unknown or lost; words of a filter that are not understood
// are returned.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "gpu/device.h"

namespace tranche::gpu {

enum class XidClass { kApplication, kRecoverable, kNeedsReset };

// Class, short text and NVIDIA's source for an XID; unknown ones are kNeedsReset. kApplication is
// exactly upstream's built-in ignore list; of the others those are recoverable for which NVIDIA's
// Xid catalog asks for no more than restarting the application, or for nothing.
struct XidInfo {
  std::uint64_t xid;
  XidClass xid_class;
  std::string_view meaning;
  std::string_view source;  // NVIDIA document
};
const XidInfo& DescribeXid(std::uint64_t xid);  // of an unknown one `xid` is 0

// What DP_DISABLE_HEALTHCHECKS and DP_ENABLE_HEALTHCHECKS (reference: upstream's rules) say.
struct XidFilter {
  bool all_disabled = false;
  std::set<std::uint64_t> disabled;
  bool all_enabled = false;
  std::set<std::uint64_t> enabled;

  // With `all_disabled` everything is ignored, what is in `enabled` too, unless that is all. Else
  // what is enabled counts, before what is disabled or of class kApplication by upstream's built-in
  // list.
  [[nodiscard]] bool Ignores(std::uint64_t xid) const;
};
// Words that are neither numbers nor keywords are skipped and returned, to be logged.
struct ParsedXidFilter {
  XidFilter filter;
  std::vector<std::string> not_understood;
};
ParsedXidFilter ParseXidFilter(std::string_view disable, std::string_view enable);

enum class RecoveryPolicy { kAuto, kReset, kNever };

// Why a device (GPU or MIG UUID) is unhealthy, for status, log and metrics.
struct HealthState {
  bool healthy = true;
  bool lost = false;
  bool returned = false;      // was lost, is back, and waits
  bool one_instance = false;  // the XID was of one MIG instance of this GPU
  std::uint64_t xid = 0;      // 0: not an XID
  XidClass xid_class = XidClass::kRecoverable;
  std::string reason;
  std::chrono::steady_clock::time_point since;
  // When it will be called healthy again; time_point::max(): only after a reset or by command.
  std::chrono::steady_clock::time_point healthy_at = std::chrono::steady_clock::time_point::max();
};

struct HealthChange {
  std::string uuid;
  bool healthy = true;
  std::string reason;  // also for a recovery: never silent
};

class HealthTracker {
 public:
  using Time = std::chrono::steady_clock::time_point;

  HealthTracker(XidFilter filter, RecoveryPolicy policy, std::chrono::nanoseconds quiet_period);
  void SetPolicy(RecoveryPolicy policy, std::chrono::nanoseconds quiet_period);

  // The devices there are now, GPUs and their MIG devices, and those of them (or of earlier ones)
  // that are gone. A known GPU that is not there any more is gone too, its MIG devices with it; a
  // MIG device that is not there while its GPU is has been cut away, and is forgotten.
  std::vector<HealthChange> Scanned(const Inventory& inventory,
                                    const std::vector<std::string>& lost, Time now);
  std::vector<HealthChange> Happened(const HealthEvent& event, Time now);
  // Devices whose quiet period is over. Call at NextDeadline().
  std::vector<HealthChange> Elapsed(Time now);
  // By command. kNotFound: no such device; kFailedPrecondition: it is lost.
  base::Result<std::vector<HealthChange>> Clear(const std::string& uuid, Time now);

  [[nodiscard]] Time NextDeadline() const;                    // Time::max(): none
  [[nodiscard]] bool Healthy(const std::string& uuid) const;  // unknown: healthy
  [[nodiscard]] const std::map<std::string, HealthState>& unhealthy() const { return unhealthy_; }

 private:
  struct Known {
    std::string parent;  // of a MIG device; "" for a GPU
    unsigned gpu_instance = 0;
    unsigned compute_instance = 0;
  };
  struct Trips {
    int count = 0;
    Time recovered{};  // last
  };
  using Changes = std::vector<HealthChange>;

  void Lose(const std::string& uuid, Time now, Changes& changes);
  void Return(const std::string& uuid, Time now, Changes& changes);
  void Trip(const std::string& uuid, HealthState state, Changes& changes);
  void Recover(const std::string& uuid, const std::string& why, Time now, Changes& changes);
  void Forget(const std::set<std::string>& present);
  [[nodiscard]] std::vector<std::string> Struck(const HealthEvent& event) const;
  [[nodiscard]] bool IsGone(const std::string& uuid) const;
  [[nodiscard]] Time HealthyAt(const std::string& uuid, const HealthState& state) const;
  [[nodiscard]] std::chrono::nanoseconds Wait(int doublings) const;

  XidFilter filter_;
  RecoveryPolicy policy_;
  std::chrono::nanoseconds quiet_period_;
  std::map<std::string, Known> known_;
  std::map<std::string, HealthState> unhealthy_;
  std::map<std::string, Trips> trips_;
};

}  // namespace tranche::gpu
