// The account of one GPU or MIG device: what its pods and the rest have used of it so far.
//
// Whatever belongs to no pod (processes of the host, processes that were never seen, what has no
// process at all) is the rest, so that the pods and the rest together are the device.
//
// Threading: plain values, one thread.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "gpu/usage.h"
#include "node/sight/recent.h"

namespace tranche::node::sight {

// Far above what shares a GPU; whatever is beyond is the rest.
inline constexpr std::size_t kMaxPods = 256;

// A container of a pod, as its series are named. Of a pod whose name is not known, the namespace is
// "" and the name its UID.
struct Holder {
  std::string pod_namespace;
  std::string pod;
  std::string container;
  std::string pod_uid;  // "" where only the kubelet has told of it
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the compiler's own code for the user's
  auto operator<=>(const Holder&) const = default;
};

struct PodUse {
  double gpu_seconds = 0;
  double energy_joules = 0;
  std::uint64_t memory_bytes = 0;
  int processes = 0;
  Recent busy;
  double last_active = 0;  // seconds of the wall clock; before it was: when it was first seen
  bool granted = false;    // the kubelet has given it the device
  int replicas = 0;
  std::optional<std::uint64_t> memory_limit;  // what the config would let it hold
  bool over_limit = false;
  std::uint64_t would_refuse = 0;  // how often it has gone over that
  std::uint64_t last_seen_us = 0;  // when it last had a process or a grant
};

// What a container has used whose name is not known yet. It is in no counter, neither of a pod nor
// of the device, until it is known whose it is, or has taken too long to become known: so none ever
// goes down, and all parts are the device at any time.
struct Unnamed {
  Holder holder;  // of its series meanwhile
  double gpu_seconds = 0;
  double energy_joules = 0;
  double last_active = 0;
  std::uint64_t since_us = 0;
  std::uint64_t last_seen_us = 0;
};

struct Account {
  std::map<Holder, PodUse> pods;
  PodUse rest;
  std::map<std::string, Unnamed> unnamed;  // by container's id

  std::optional<gpu::MemoryUse> memory;
  double measured_seconds = 0;   // of which it is known whether something computed
  double busy_seconds = 0;       // something computed
  double contended_seconds = 0;  // in windows in which more than one pod did
  Recent busy;
  Recent contended;
  double energy_joules = 0;
  bool energy_known = false;  // the GPU has a counter of it
  int host_processes = 0;
  int unknown_processes = 0;
  std::uint64_t pods_left_out = 0;  // more than kMaxPods
  // Why there is no time and nothing made of it; "" where there is.
  std::string unmeasured;

  [[nodiscard]] double UnnamedSeconds() const {
    double seconds = 0;
    for (const auto& [id, one] : unnamed) seconds += one.gpu_seconds;
    return seconds;
  }
  // What was counted stays where the driver fails for a while; a GPU that cannot be measured has
  // nothing to count.
  [[nodiscard]] bool Counted() const {
    return unmeasured != "mig" && unmeasured != "not supported";
  }
};

}  // namespace tranche::node::sight
