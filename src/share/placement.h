// Preferred allocation: chooses which of the free ids a container should get. The choice is
// deterministic.
//
// The rules are upstream's (whole GPUs by connection score; replicas distributed or packed), made
// deterministic, plus `spread`: a GPU of which the request already has a replica comes after every
// usable GPU of which it has none. Replicas cost O(available + size · log devices); for whole GPUs
// see PreferWhole.
//
// Threading: plain functions, safe on any thread.
// Errors: kInvalidArgument where too few replicas are available; see each function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tranche::share {

enum class Policy { kDistributed, kPacked, kSpread };

// One device and its state in the pool of a resource.
struct PoolDevice {
  std::string uuid;
  int replicas = 1;    // all it has, healthy or not
  bool usable = true;  // false: sick, or holding ids of an older shape: chosen last of all
};

// A request as the kubelet makes it.
struct PreferredRequest {
  std::vector<std::string> available;     // ids, in no order
  std::vector<std::string> must_include;  // ids, a subset of available
  int size = 0;
};

// For replicas and MIG devices. Returns must_include followed by the picks, in order of picking.
// Among the replicas of one device the lowest k goes first. Ties between devices go by the order of
// `pool`. Ids that `pool` does not account for (an unknown device, a k beyond its replicas, "UUID"
// of a shared device) go last of all. Duplicates count once.
// kInvalidArgument "not enough available devices to satisfy allocation" when there are too few;
// upstream's service puts "error getting list of preferred allocation devices: " before it.
base::Result<std::vector<std::string>> PreferReplicas(Policy policy,
                                                      const std::vector<PoolDevice>& pool,
                                                      const PreferredRequest& request);

// For whole GPUs. pair_score is symmetric and indexed like `pool`; devices it does not know score
// 0. Maximises, over partitions of the available devices into sets of `size`, upstream's total, and
// takes the best set of that partition (ties: the first in pool order, all the way); exact up to 16
// devices, greedy beyond (the search would be exponential). Unusable devices only when there is no
// other way. The answer is in pool order. As upstream: empty, not an error, where no such set
// exists (too few, must_include not available or larger than `size`); the kubelet then chooses for
// itself.
base::Result<std::vector<std::string>> PreferWhole(const std::vector<PoolDevice>& pool,
                                                   const std::vector<std::vector<int>>& pair_score,
                                                   const PreferredRequest& request);

}  // namespace tranche::share
