#include "share/advertise.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tranche::share {
namespace {

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
std::uint64_t VarintBytes(std::uint64_t value) {
  std::uint64_t bytes = 1;
  while (value >= 0x80U) {
    value >>= 7U;
    ++bytes;
  }
  return bytes;
}

// A field whose tag takes one byte and whose value is length-delimited.
std::uint64_t FieldBytes(std::uint64_t length) { return 1 + VarintBytes(length) + length; }

// Bytes of one device's ids in a ListAndWatchResponse { repeated Device devices = 1 }, Device {
// string ID = 1; string health = 2; TopologyInfo topology = 3 }, TopologyInfo { repeated NUMANode
// nodes = 1 }, NUMANode { int64 ID = 1 } (k8s.io/kubelet device plugin API v1beta1); proto3 leaves
// out a zero.
std::uint64_t BytesOfIds(const AdvertisedDevice& device) {
  std::uint64_t same_for_all = FieldBytes(std::string_view("Unhealthy").size());
  if (device.numa_node) {
    const auto id = static_cast<std::uint64_t>(static_cast<std::int64_t>(*device.numa_node));
    const std::uint64_t node = id == 0 ? 0 : 1 + VarintBytes(id);
    same_for_all += FieldBytes(FieldBytes(node));
  }
  const auto bytes = [&](std::uint64_t length) {
    return FieldBytes(FieldBytes(length) + same_for_all);
  };
  if (device.replicas == 1) return bytes(device.uuid.size());
  // Ids are of one length where their numbers have equally many digits: 0 to 9, 10 to 99, …
  std::uint64_t total = 0;
  std::uint64_t length = device.uuid.size() + std::string_view("::0").size();
  std::uint64_t first = 0;
  const auto end = static_cast<std::uint64_t>(device.replicas);
  for (std::uint64_t power = 10; first < end; power *= 10) {
    const std::uint64_t next = std::min(power, end);
    total += (next - first) * bytes(length++);
    first = next;
  }
  return total;
}

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
    resource.shared = resource.shared || share.replicas > 1;
    resource.devices.push_back(
        {.uuid = unit.uuid, .replicas = share.replicas, .numa_node = unit.numa_node});
  }
  for (auto& [name, resource] : by_name) out.resources.push_back(std::move(resource));
  CheckRules(units, rules, out);
  return out;
}

std::uint64_t CountIds(const AdvertisedResource& resource) {
  std::uint64_t count = 0;
  for (const AdvertisedDevice& device : resource.devices) {
    count += static_cast<std::uint64_t>(device.replicas);
  }
  return count;
}

std::uint64_t WorstMessageBytes(const AdvertisedResource& resource) {
  std::uint64_t total = 0;
  for (const AdvertisedDevice& device : resource.devices) total += BytesOfIds(device);
  return total;
}

}  // namespace tranche::share
