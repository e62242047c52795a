// Computes from devices and sharing rules what is advertised: resource names and ids.
//
// Threading: plain functions, safe on any thread.
// Errors: none; rules and devices that match nothing are listed in the result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tranche::share {

// Something that can be advertised: a whole GPU or a MIG device.
struct Unit {
  std::string uuid;
  std::string index;     // "0", or "0:1" for MIG
  std::string resource;  // before any renaming: "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
  std::optional<int> numa_node;
};

// A sharing rule for one resource. Several rules for one resource merge, as upstream's device maps
// do: a device gets the largest count that a rule covering it gives, under the name the first of
// them advertises. A device that no rule covers stays whole. A count of 1 means not shared: the id
// is the bare UUID, under the plain name if the rule shares others.
struct Rule {
  std::string resource;
  std::string advertise_as;  // == resource when not renamed
  int replicas = 1;
  bool all_devices = true;
  std::vector<std::string> devices;                              // UUIDs or indices, when not all
  std::vector<std::pair<std::string, int>> replicas_per_device;  // UUID or index, count
};

struct AdvertisedDevice {
  std::string id;  // UUID or UUID::k
  std::string uuid;
  std::optional<int> numa_node;
};

struct AdvertisedResource {
  std::string name;                       // what pods ask for
  std::string original;                   // before renaming
  bool shared = false;                    // ids are replicas
  std::vector<AdvertisedDevice> devices;  // sorted by (unit order, k): stable
  std::uint64_t wanted = 0;               // how many were asked for; of too many not all are made
};

struct Advertisement {
  std::vector<AdvertisedResource> resources;   // sorted by name, none empty
  std::vector<std::string> unmatched_rules;    // resource names that match nothing on this node
  std::vector<std::string> unmatched_devices;  // device references that match nothing
};

// Each UUID once (the first unit wins). Where a count is larger than any message could carry, only
// as many ids are made as WorstMessageBytes needs to exceed the limit.
Advertisement Advertise(const std::vector<Unit>& units, const std::vector<Rule>& rules);

// Bytes of the ListAndWatch answer for `resource` with every device Unhealthy, as protobuf encodes
// it; the kubelet refuses more than kKubeletMessageLimit.
inline constexpr std::size_t kKubeletMessageLimit = 4U << 20U;
std::size_t WorstMessageBytes(const AdvertisedResource& resource);

}  // namespace tranche::share
