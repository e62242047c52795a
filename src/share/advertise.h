// Computes from devices and sharing rules what is advertised: resource names, and how many replicas
// of each device. Counts stay numbers here; replica.h says which ids they stand for.
//
// Threading: plain functions, safe on any thread.
// Errors: none; rules and devices that match nothing are listed in the result.
#pragma once

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
// them advertises. A device that no rule covers stays whole. A count of 1 means not shared: the
// device goes under the plain name if the rule shares others.
struct Rule {
  std::string resource;
  std::string advertise_as;  // == resource when not renamed
  int replicas = 1;
  bool all_devices = true;
  std::vector<std::string> devices;                              // UUIDs or indices, when not all
  std::vector<std::pair<std::string, int>> replicas_per_device;  // UUID or index, count
};

struct AdvertisedDevice {
  std::string uuid;
  int replicas = 1;  // 1: not shared
  std::optional<int> numa_node;
};

struct AdvertisedResource {
  std::string name;                       // what pods ask for
  std::string original;                   // before renaming
  bool shared = false;                    // a device of it has several replicas
  std::vector<AdvertisedDevice> devices;  // each once, in unit order: stable
};

struct Advertisement {
  std::vector<AdvertisedResource> resources;   // sorted by name, none empty
  std::vector<std::string> unmatched_rules;    // resource names that match nothing on this node
  std::vector<std::string> unmatched_devices;  // device references that match nothing
};

// Each UUID once (the first unit wins).
Advertisement Advertise(const std::vector<Unit>& units, const std::vector<Rule>& rules);

// How many ids the kubelet is told of.
std::uint64_t CountIds(const AdvertisedResource& resource);

// Bytes of the ListAndWatch answer for `resource` with every id Unhealthy, as protobuf encodes it;
// the kubelet refuses more than kKubeletMessageLimit. No id is made to find out.
inline constexpr std::uint64_t kKubeletMessageLimit = 4U << 20U;
std::uint64_t WorstMessageBytes(const AdvertisedResource& resource);

}  // namespace tranche::share
