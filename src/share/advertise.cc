#include "share/advertise.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "share/replica.h"

namespace tranche::share {
namespace {

// More ids than this never fit into the kubelet's message (the shortest device takes 18 bytes), so
// a count of a thousand million costs no thousand million strings: the message is too long either
// way.
constexpr std::size_t kMostIds = 1U << 18U;
static_assert(kMostIds * 18 > kKubeletMessageLimit);

bool Names(const std::string& reference, const Unit& unit) {
  return reference == unit.uuid || reference == unit.index;
}

// What the rules say about one unit.
struct Share {
  std::string name;
  int replicas = 1;
};

bool Covers(const Rule& rule, const Unit& unit) {
  if (rule.resource != unit.resource) return false;
  return rule.all_devices || std::any_of(rule.devices.begin(), rule.devices.end(),
                                         [&](const auto& ref) { return Names(ref, unit); });
}

int CountFor(const Rule& rule, const Unit& unit) {
  for (const auto& [reference, count] : rule.replicas_per_device) {
    if (Names(reference, unit)) return std::max(count, 1);
  }
  return std::max(rule.replicas, 1);
}

Share ShareOf(const Unit& unit, const std::vector<Rule>& rules) {
  const Rule* first = nullptr;
  int replicas = 1;
  for (const Rule& rule : rules) {
    if (!Covers(rule, unit)) continue;
    if (first == nullptr) first = &rule;
    replicas = std::max(replicas, CountFor(rule, unit));
  }
  if (first == nullptr) return {.name = unit.resource};
  // One whole device among shared ones keeps the plain name: who asks for a share gets a share.
  const bool exception = replicas == 1 && first->replicas > 1;
  return {.name = exception ? unit.resource : first->advertise_as, .replicas = replicas};
}

void Add(const Unit& unit, int replicas, AdvertisedResource& resource) {
  resource.wanted += static_cast<std::uint64_t>(replicas);
  if (replicas == 1) {
    if (resource.devices.size() >= kMostIds) return;
    resource.devices.push_back({.id = unit.uuid, .uuid = unit.uuid, .numa_node = unit.numa_node});
    return;
  }
  resource.shared = true;
  const std::size_t room = kMostIds - std::min(kMostIds, resource.devices.size());
  const std::size_t count = std::min(static_cast<std::size_t>(replicas), room);
  resource.devices.reserve(resource.devices.size() + count);
  for (std::size_t k = 0; k < count; ++k) {
    resource.devices.push_back({.id = MakeReplicaId(unit.uuid, static_cast<int>(k)),
                                .uuid = unit.uuid,
                                .numa_node = unit.numa_node});
  }
}

// References that name no unit of the rule's resource.
void NoteUnmatched(const Rule& rule, const std::vector<Unit>& units, Advertisement& out) {
  const auto note = [&](const std::string& reference) {
    const bool known = std::any_of(units.begin(), units.end(), [&](const Unit& unit) {
      return unit.resource == rule.resource && Names(reference, unit);
    });
    if (known ||
        std::count(out.unmatched_devices.begin(), out.unmatched_devices.end(), reference)) {
      return;
    }
    out.unmatched_devices.push_back(reference);
  };
  for (const std::string& reference : rule.devices) note(reference);
  for (const auto& [reference, count] : rule.replicas_per_device) note(reference);
}

void CheckRules(const std::vector<Unit>& units, const std::vector<Rule>& rules,
                Advertisement& out) {
  for (const Rule& rule : rules) {
    const bool known = std::any_of(units.begin(), units.end(), [&](const Unit& unit) {
      return unit.resource == rule.resource;
    });
    if (known) {
      NoteUnmatched(rule, units, out);
    } else if (!std::count(out.unmatched_rules.begin(), out.unmatched_rules.end(), rule.resource)) {
      out.unmatched_rules.push_back(rule.resource);
    }
  }
}

// Bytes of a protobuf varint.
std::size_t VarintBytes(std::uint64_t value) {
  std::size_t bytes = 1;
  while (value >= 0x80U) {
    value >>= 7U;
    ++bytes;
  }
  return bytes;
}

// A field whose tag takes one byte and whose value is length-delimited.
std::size_t FieldBytes(std::size_t length) { return 1 + VarintBytes(length) + length; }

}  // namespace

Advertisement Advertise(const std::vector<Unit>& units, const std::vector<Rule>& rules) {
  Advertisement out;
  std::map<std::string, AdvertisedResource> by_name;
  std::set<std::string_view> seen;
  for (const Unit& unit : units) {
    if (!seen.insert(unit.uuid).second) continue;
    const Share share = ShareOf(unit, rules);
    AdvertisedResource& resource = by_name[share.name];
    if (resource.name.empty()) {
      resource.name = share.name;
      resource.original = unit.resource;
    }
    Add(unit, share.replicas, resource);
  }
  for (auto& [name, resource] : by_name) out.resources.push_back(std::move(resource));
  CheckRules(units, rules, out);
  return out;
}

// ListAndWatchResponse { repeated Device devices = 1 }, Device { string ID = 1; string health = 2;
// TopologyInfo topology = 3 }, TopologyInfo { repeated NUMANode nodes = 1 }, NUMANode { int64 ID =
// 1 } (k8s.io/kubelet device plugin API v1beta1); proto3 leaves out a zero.
std::size_t WorstMessageBytes(const AdvertisedResource& resource) {
  static const std::size_t unhealthy = FieldBytes(std::string_view("Unhealthy").size());
  std::size_t total = 0;
  for (const AdvertisedDevice& device : resource.devices) {
    std::size_t bytes = FieldBytes(device.id.size()) + unhealthy;
    if (device.numa_node) {
      const auto id = static_cast<std::uint64_t>(static_cast<std::int64_t>(*device.numa_node));
      const std::size_t node = id == 0 ? 0 : 1 + VarintBytes(id);
      bytes += FieldBytes(FieldBytes(node));
    }
    total += FieldBytes(bytes);
  }
  return total;
}

}  // namespace tranche::share
