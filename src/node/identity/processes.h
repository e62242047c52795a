// Processes says where a process belongs, and remembers it for as long as the process lives.
//
// A process that ended since the last look is still known, so that what it did meanwhile is counted
// for the one that it belonged to. One that came and went between two looks was never seen, and
// belongs to nobody. Where a pid has another process than at the last look, it is not known which
// of the two did what lies between, and neither is charged.
//
// Threading: the loop's thread.
// Errors: none; a process of which nothing can be known is Place::kUnknown.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "node/identity/cgroup.h"
#include "node/identity/proc.h"

namespace tranche::node::identity {

enum class PlaceKind {
  kPod,
  kHost,     // in no pod
  kUnknown,  // gone before it could be looked at, or what there is makes no sense
};

struct Place {
  PlaceKind kind = PlaceKind::kUnknown;
  PodGroup group;        // of kPod
  bool renewed = false;  // the pid had another process at the last look
  friend bool operator==(const Place&, const Place&) = default;
};

class Processes {
 public:
  explicit Processes(Proc& proc) : proc_(proc) {}

  // Call once for each pid and look: a second call would not see that the pid was used again.
  Place Look(unsigned pid);
  // What the last look said; nullptr for a pid that was not looked at.
  [[nodiscard]] const Place* Find(unsigned pid) const {
    const auto at = known_.find(pid);
    return at == known_.end() ? nullptr : &at->second.place;
  }
  // After a look: forgets all processes that are not among these, and have not been for one look.
  void Keep(const std::set<unsigned>& pids);

  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    std::uint64_t start_ticks = 0;
    Place place;
    bool ended = false;
    bool missed = false;  // by the last Keep
  };
  Place LookAfresh(unsigned pid, std::uint64_t start_ticks);

  Proc& proc_;
  std::map<unsigned, Known> known_;
};

}  // namespace tranche::node::identity
