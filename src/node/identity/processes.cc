#include "node/identity/processes.h"

#include <iterator>
#include <utility>

namespace tranche::node::identity {
namespace {

using base::Code;
using base::Result;

Result<std::uint64_t> StartTicks(Proc& proc, unsigned pid) {
  const auto stat = proc.Read(pid, "stat");
  if (!stat.ok()) return stat.status();
  return ReadStartTicks(*stat);
}

Place PlaceOf(Proc& proc, unsigned pid) {
  const auto text = proc.Read(pid, "cgroup");
  if (!text.ok()) return {};
  auto group = ReadPodGroup(*text);
  if (group.ok()) return {.kind = PlaceKind::kPod, .group = std::move(*group)};
  const bool nowhere = group.status().code() == Code::kNotFound;
  return {.kind = nowhere ? PlaceKind::kHost : PlaceKind::kUnknown, .group = {}};
}

}  // namespace

Place Processes::Look(unsigned pid) {
  const auto start = StartTicks(proc_, pid);
  const auto known = known_.find(pid);
  if (!start.ok()) {
    if (known == known_.end()) return {};
    known->second.ended = true;
    Place place = known->second.place;
    place.renewed = false;
    return place;
  }
  if (known != known_.end() && known->second.start_ticks == *start) {
    // One whose group could not be read has its chance again.
    if (known->second.place.kind == PlaceKind::kUnknown) {
      known->second.place = LookAfresh(pid, *start);
    }
    return known->second.place;
  }
  Place place = LookAfresh(pid, *start);
  known_[pid] = {.start_ticks = *start, .place = place};
  place.renewed = known != known_.end();
  return place;
}

Place Processes::LookAfresh(unsigned pid, std::uint64_t start_ticks) {
  Place place = PlaceOf(proc_, pid);
  const auto again = StartTicks(proc_, pid);
  if (!again.ok() || *again != start_ticks) return {};
  return place;
}

void Processes::Keep(const std::set<unsigned>& pids) {
  for (auto at = known_.begin(); at != known_.end();) {
    Known& known = at->second;
    const bool there = pids.contains(at->first);
    const bool forget = !there && (known.missed || known.ended);
    known.missed = !there;
    at = forget ? known_.erase(at) : std::next(at);
  }
}

}  // namespace tranche::node::identity
