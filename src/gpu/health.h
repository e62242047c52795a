// Which XIDs make a GPU unhealthy and when it is healthy again: a state machine without a clock.
//
// Pure. Time goes in as an argument, decisions come out as values. One HealthTracker per node, owned
// by the loop's thread.
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

// Class, short text and NVIDIA's source for an XID; unknown ones are kNeedsReset.
struct XidInfo {
  std::uint64_t xid;
  XidClass xid_class;
  std::string_view meaning;
  std::string_view source;  // NVIDIA document
};
const XidInfo& DescribeXid(std::uint64_t xid);

// What DP_DISABLE_HEALTHCHECKS and DP_ENABLE_HEALTHCHECKS (reference: upstream's rules) say.
struct XidFilter {
  bool all_disabled = false;
  std::set<std::uint64_t> disabled;
  bool all_enabled = false;
  std::set<std::uint64_t> enabled;

  // Ignored: not in `enabled`, and disabled or of class kApplication by upstream's built-in list.
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
  std::uint64_t xid = 0;              // 0: not an XID
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

  // The devices there are now, GPUs and their MIG devices. A GPU seen after having been lost, or whose
  // reset was seen (`reset`: UUIDs re-enumerated after absence), recovers as the policy says.
  std::vector<HealthChange> Scanned(const Inventory& inventory, const std::vector<std::string>& lost,
                                    Time now);
  std::vector<HealthChange> Happened(const HealthEvent& event, Time now);
  // Devices whose quiet period is over. Call at NextDeadline().
  std::vector<HealthChange> Elapsed(Time now);
  // By command. kNotFound: no such device; kFailedPrecondition: it is lost.
  base::Result<std::vector<HealthChange>> Clear(const std::string& uuid, Time now);

  [[nodiscard]] Time NextDeadline() const;  // Time::max(): none
  [[nodiscard]] bool Healthy(const std::string& uuid) const;  // unknown: healthy
  [[nodiscard]] const std::map<std::string, HealthState>& unhealthy() const { return unhealthy_; }

 private:
  struct Known {
    std::string parent;  // of a MIG device; "" for a GPU
    unsigned gpu_instance = 0;
    unsigned compute_instance = 0;
  };
  std::vector<HealthChange> Trip(const std::string& uuid, HealthState state, Time now);
  std::vector<HealthChange> Recover(const std::string& uuid, const std::string& why);

  XidFilter filter_;
  RecoveryPolicy policy_;
  std::chrono::nanoseconds quiet_period_;
  std::map<std::string, Known> known_;
  std::map<std::string, HealthState> unhealthy_;
  std::map<std::string, int> trips_;  // per device: repeated trips double the wait
};

}  // namespace tranche::gpu
