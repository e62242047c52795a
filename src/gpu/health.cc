#include "gpu/health.h"

#include <algorithm>
#include <utility>

namespace tranche::gpu {
namespace {

using Time = HealthTracker::Time;

// Waits double up to this, or to the quiet period where that is longer.
constexpr std::chrono::nanoseconds kLongestWait = std::chrono::hours(1);
constexpr int kMostTrips = 64;
constexpr char kWasLost[] = "was lost and is back";

std::string DescribeEvent(const HealthEvent& event) {
  const XidInfo& info = DescribeXid(event.xid);
  std::string text = "XID " + std::to_string(event.xid);
  if (info.xid == event.xid) text += " (" + std::string(info.meaning) + ")";
  if (event.uuid.empty()) text += " on a GPU that the driver does not name";
  return text;
}

}  // namespace

HealthTracker::HealthTracker(XidFilter filter, RecoveryPolicy policy,
                             std::chrono::nanoseconds quiet_period)
    : filter_(std::move(filter)), policy_(policy), quiet_period_(quiet_period) {}

void HealthTracker::SetPolicy(RecoveryPolicy policy, std::chrono::nanoseconds quiet_period) {
  if (policy == policy_ && quiet_period == quiet_period_) return;
  policy_ = policy;
  quiet_period_ = quiet_period;
  for (auto& [uuid, state] : unhealthy_) state.healthy_at = HealthyAt(uuid, state);
}

std::chrono::nanoseconds HealthTracker::Wait(int doublings) const {
  const auto cap = std::max(kLongestWait, quiet_period_);
  std::chrono::nanoseconds wait = std::max(quiet_period_, std::chrono::nanoseconds(0));
  for (int i = 0; i < doublings && wait < cap; ++i) wait = std::min(wait * 2, cap);
  return wait;
}

// When time alone makes it healthy.
Time HealthTracker::HealthyAt(const std::string& uuid, const HealthState& state) const {
  if (policy_ == RecoveryPolicy::kNever || state.lost) return Time::max();
  const auto trips = trips_.find(uuid);
  const int count = trips == trips_.end() ? 1 : std::max(trips->second.count, 1);
  // Back after having been gone: the wait of one trip less.
  if (state.returned)
    return state.since + (count == 1 ? std::chrono::nanoseconds(0) : Wait(count - 2));
  if (policy_ == RecoveryPolicy::kReset || state.xid_class == XidClass::kNeedsReset) {
    return Time::max();
  }
  return state.since + Wait(count - 1);
}

// One more trip, after what has faded since the last one.
void HealthTracker::Count(Trips& trips, bool was_healthy, Time now) const {
  if (was_healthy) {
    const auto faded = std::min<std::int64_t>((now - trips.recovered) / kFade, trips.count);
    trips.count -= static_cast<int>(faded);
  }
  // More than the longest wait needs would only take longer to fade.
  const bool longest =
      trips.count > 0 && Wait(trips.count - 1) >= std::max(kLongestWait, quiet_period_);
  if (!longest && trips.count < kMostTrips) ++trips.count;
}

void HealthTracker::Trip(const std::string& uuid, HealthState state, Changes& changes) {
  const auto already = unhealthy_.find(uuid);
  const bool was_healthy = already == unhealthy_.end();
  const bool was_called_healthy = Healthy(uuid);
  Trips& trips = trips_[uuid];
  // Being gone does not end what an XID began: it is one trip, not two.
  const bool lost = state.lost || (!was_healthy && already->second.lost);
  const bool same_incident =
      !state.lost && state.since - std::exchange(trips.struck, state.since) <= kIncident;
  if (was_healthy || (!lost && !same_incident)) Count(trips, was_healthy, state.since);
  if (!was_healthy) {
    // The worse reason stays: a recoverable XID does not shorten the wait for a reset.
    const HealthState& old = already->second;
    const bool old_is_worse =
        !state.lost && (old.lost || (old.xid_class == XidClass::kNeedsReset &&
                                     state.xid_class != XidClass::kNeedsReset && !old.returned));
    if (old_is_worse) return;
    state.one_instance = state.one_instance && old.one_instance;
  }
  state.healthy = false;
  state.healthy_at = HealthyAt(uuid, state);
  if (was_called_healthy) {
    changes.push_back({.uuid = uuid, .healthy = false, .reason = state.reason});
  }
  unhealthy_[uuid] = std::move(state);
}

void HealthTracker::Recover(const std::string& uuid, const std::string& why, Time now,
                            Changes& changes) {
  unhealthy_.erase(uuid);
  trips_[uuid].recovered = now;
  if (Healthy(uuid)) changes.push_back({.uuid = uuid, .healthy = true, .reason = why});
}

void HealthTracker::Lose(const std::string& uuid, Time now, Changes& changes) {
  if (Lost(uuid)) return;
  HealthState state;
  state.lost = true;
  state.xid_class = XidClass::kNeedsReset;
  state.reason = "lost: the driver no longer reaches it";
  state.since = now;
  const auto already = unhealthy_.find(uuid);
  if (already != unhealthy_.end()) state.reason += "; before that " + already->second.reason;
  Trip(uuid, std::move(state), changes);
}

// It was gone and answers again, which no GPU does without having been reset.
void HealthTracker::Return(const std::string& uuid, const std::string& what, Time now,
                           Changes& changes) {
  HealthState& state = unhealthy_.at(uuid);
  state.lost = false;
  state.returned = true;
  state.since = now;
  state.reason = what;
  state.healthy_at = HealthyAt(uuid, state);
  if (state.healthy_at <= now) Recover(uuid, what, now, changes);
}

bool HealthTracker::Lost(const std::string& uuid) const {
  const auto state = unhealthy_.find(uuid);
  return state != unhealthy_.end() && state->second.lost;
}

std::vector<HealthChange> HealthTracker::Scanned(const Inventory& inventory,
                                                 const std::vector<std::string>& lost, Time now) {
  Changes changes;
  const std::set<std::string> gone(lost.begin(), lost.end());
  std::set<std::string> present;
  for (const Gpu& gpu : inventory.gpus) {
    const bool is_gone = gone.contains(gpu.uuid);
    present.insert(gpu.uuid);
    known_[gpu.uuid] = {};
    for (const MigDevice& mig : gpu.mig_devices) {
      const bool is_new = known_.find(mig.uuid) == known_.end();
      present.insert(mig.uuid);
      known_[mig.uuid] = {gpu.uuid, mig.gpu_instance, mig.compute_instance};
      if (is_gone || gone.contains(mig.uuid)) {
        Lose(mig.uuid, now, changes);
      } else if (Lost(mig.uuid)) {
        Return(mig.uuid, kWasLost, now, changes);
      } else if (const auto parent = unhealthy_.find(gpu.uuid);
                 is_new && parent != unhealthy_.end() && !parent->second.lost &&
                 !parent->second.one_instance) {
        Trip(mig.uuid, parent->second, changes);  // a new MIG layout does not heal a broken GPU
      }
    }
    if (is_gone) {
      Lose(gpu.uuid, now, changes);
    } else if (Lost(gpu.uuid)) {
      Return(gpu.uuid, kWasLost, now, changes);
    }
  }
  Forget(present);
  for (const auto& [uuid, known] : known_) {
    if (!present.contains(uuid)) Lose(uuid, now, changes);
  }
  return changes;
}

// MIG devices that are no more although their GPU is there.
void HealthTracker::Forget(const std::set<std::string>& present) {
  for (auto known = known_.begin(); known != known_.end();) {
    const bool cut_away = !known->second.parent.empty() && !present.contains(known->first) &&
                          present.contains(known->second.parent) && !Lost(known->second.parent);
    if (cut_away) {
      unhealthy_.erase(known->first);
      unanswered_.erase(known->first);
      trips_.erase(known->first);
      known = known_.erase(known);
    } else {
      ++known;
    }
  }
}

// The devices an event is about. A GPU that is cut by MIG but advertised whole is struck by what
// strikes one of its instances.
std::vector<std::string> HealthTracker::Struck(const HealthEvent& event) const {
  std::vector<std::string> struck;
  for (const auto& [uuid, known] : known_) {
    const std::string& gpu = known.parent.empty() ? uuid : known.parent;
    if (!event.uuid.empty() && gpu != event.uuid) continue;
    if (!known.parent.empty()) {
      // Where the driver does not tell which instance it is, it may be the one.
      const auto another = [](const auto& named, const auto& own) {
        return named && own && *named != *own;
      };
      if (another(event.gpu_instance, known.gpu_instance)) continue;
      if (another(event.compute_instance, known.compute_instance)) continue;
    }
    struck.push_back(uuid);
  }
  return struck;
}

std::vector<HealthChange> HealthTracker::Happened(const HealthEvent& event, Time now) {
  Changes changes;
  if (event.kind != HealthEvent::Kind::kXid || filter_.Ignores(event.xid)) return changes;
  HealthState state;
  state.xid = event.xid;
  state.xid_class = DescribeXid(event.xid).xid_class;
  // An XID of class kApplication counts only where the user has enabled it, and the GPU works on.
  // One that names no GPU makes all of them suspect, which must not last for ever.
  if (state.xid_class == XidClass::kApplication || event.uuid.empty()) {
    state.xid_class = XidClass::kRecoverable;
  }
  state.one_instance = event.gpu_instance.has_value();
  state.reason = DescribeEvent(event);
  state.since = now;
  for (const std::string& uuid : Struck(event)) Trip(uuid, state, changes);
  return changes;
}

std::vector<HealthChange> HealthTracker::Elapsed(Time now) {
  Changes changes;
  std::vector<std::string> due;
  for (const auto& [uuid, state] : unhealthy_) {
    if (state.healthy_at <= now) due.push_back(uuid);
  }
  for (const std::string& uuid : due) {
    Recover(uuid, "quiet since " + unhealthy_.at(uuid).reason, now, changes);
  }
  return changes;
}

std::vector<HealthChange> HealthTracker::Clear(Time now) {
  Changes changes;
  for (const auto& [uuid, state] : std::map(unhealthy_)) {
    if (!state.lost) Recover(uuid, "by command, after " + state.reason, now, changes);
  }
  trips_.clear();
  return changes;
}

std::vector<HealthChange> HealthTracker::Unanswered(
    const std::map<std::string, std::string>& errors, Time now) {
  Changes changes;
  for (const auto& [uuid, error] : errors) {
    const bool was_called_healthy = Healthy(uuid);
    HealthState& state = unanswered_[uuid];
    if (state.reason.empty()) state.since = now;
    state.healthy = false;
    state.reason = "the driver fails to answer about it: " + error;
    if (was_called_healthy) {
      changes.push_back({.uuid = uuid, .healthy = false, .reason = state.reason});
    }
  }
  for (const auto& [uuid, state] : std::map(unanswered_)) {
    if (errors.contains(uuid)) continue;
    unanswered_.erase(uuid);
    if (Healthy(uuid)) {
      changes.push_back(
          {.uuid = uuid, .healthy = true, .reason = "the driver answers about it again"});
    }
  }
  return changes;
}

std::vector<HealthChange> HealthTracker::Reloaded(Time now) {
  Changes changes;
  std::vector<std::string> sick;
  for (const auto& [uuid, state] : unhealthy_) {
    if (!state.lost) sick.push_back(uuid);
  }
  for (const std::string& uuid : sick)
    Return(uuid, "the driver has been loaded anew", now, changes);
  return changes;
}

Time HealthTracker::NextDeadline() const {
  Time next = Time::max();
  for (const auto& [uuid, state] : unhealthy_) next = std::min(next, state.healthy_at);
  return next;
}

bool HealthTracker::Healthy(const std::string& uuid) const { return Find(uuid) == nullptr; }

const HealthState* HealthTracker::Find(const std::string& uuid) const {
  for (const auto* states : {&unhealthy_, &unanswered_}) {
    const auto found = states->find(uuid);
    if (found != states->end()) return &found->second;
  }
  return nullptr;
}

}  // namespace tranche::gpu
