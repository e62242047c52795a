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
// Each repeat doubles the wait; a GPU that was gone and is back is healthy at once the first time
// and waits from the second. XIDs that follow each other within kIncident are one incident, and one
// repeat: a driver may report an error once for each context. Each kFade of health takes a repeat
// off again, and a command takes all. Every recovery is reported by a HealthChange that says why.
//
// A device about which the driver fails to answer is unhealthy too, until it answers (Unanswered).
// That is neither a fault nor a loss: nothing is counted, and what was before is so afterwards.
//
// A failed wait for events (kWaitFailed) says nothing about any one GPU. Upstream then marks every
// device unhealthy until a restart, which costs the whole node for one broken GPU. Here it changes
// nothing by itself: the caller has the node scanned again, and GPUs that do not answer are then
// lost.
//
// Threading: one HealthTracker per node, owned by the loop's thread; the other functions are safe
// on any thread.
// Errors: words of a filter that are not understood are returned.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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

// What DP_DISABLE_HEALTHCHECKS and DP_ENABLE_HEALTHCHECKS say, read as upstream reads them.
struct XidFilter {
  bool all_disabled = false;
  std::set<std::uint64_t> disabled;
  bool all_enabled = false;
  std::set<std::uint64_t> enabled;

  // The first of these that applies decides: `all_enabled` (nothing is ignored), `all_disabled`
  // (everything is), `enabled` (not ignored), `disabled` (ignored), and class kApplication, which
  // is upstream's built-in list (ignored).
  [[nodiscard]] bool Ignores(std::uint64_t xid) const;
};
// Words that are neither numbers nor keywords are skipped and returned, to be logged.
struct ParsedXidFilter {
  XidFilter filter;
  std::vector<std::string> not_understood;
};
ParsedXidFilter ParseXidFilter(std::string_view disable, std::string_view enable);

inline constexpr auto kIncident = std::chrono::seconds(10);
inline constexpr auto kFade = std::chrono::minutes(10);

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
  // The devices about which the driver fails to answer, all of them, and what it says instead.
  std::vector<HealthChange> Unanswered(const std::map<std::string, std::string>& errors, Time now);
  // The driver has been loaded anew, which resets every GPU.
  std::vector<HealthChange> Reloaded(Time now);
  // Devices whose quiet period is over. Call at NextDeadline().
  std::vector<HealthChange> Elapsed(Time now);
  // By command: every fault of a device that is not lost, and all that was counted.
  std::vector<HealthChange> Clear(Time now);

  [[nodiscard]] Time NextDeadline() const;                    // Time::max(): none
  [[nodiscard]] bool Healthy(const std::string& uuid) const;  // unknown: healthy
  // Why it is unhealthy; nullptr where it is healthy.
  [[nodiscard]] const HealthState* Find(const std::string& uuid) const;
  [[nodiscard]] bool Lost(const std::string& uuid) const;

 private:
  struct Known {
    std::string parent;  // of a MIG device; "" for a GPU
    std::optional<unsigned> gpu_instance;
    std::optional<unsigned> compute_instance;
  };
  struct Trips {
    int count = 0;
    Time recovered{};  // last
    Time struck{};     // last, by an XID
  };
  using Changes = std::vector<HealthChange>;

  void Lose(const std::string& uuid, Time now, Changes& changes);
  void Return(const std::string& uuid, const std::string& what, Time now, Changes& changes);
  void Trip(const std::string& uuid, HealthState state, Changes& changes);
  void Recover(const std::string& uuid, const std::string& why, Time now, Changes& changes);
  void Forget(const std::set<std::string>& present);
  void Count(Trips& trips, bool was_healthy, Time now) const;
  [[nodiscard]] std::vector<std::string> Struck(const HealthEvent& event) const;
  [[nodiscard]] Time HealthyAt(const std::string& uuid, const HealthState& state) const;
  [[nodiscard]] std::chrono::nanoseconds Wait(int doublings) const;

  XidFilter filter_;
  RecoveryPolicy policy_;
  std::chrono::nanoseconds quiet_period_;
  std::map<std::string, Known> known_;
  std::map<std::string, HealthState> unhealthy_;   // by a fault or a loss
  std::map<std::string, HealthState> unanswered_;  // beside that
  std::map<std::string, Trips> trips_;
};

}  // namespace tranche::gpu
