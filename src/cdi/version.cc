#include "cdi/version.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace tranche::cdi {
namespace {

using base::Json;

constexpr std::array<std::string_view, 10> kVersions = {
    "0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"};

bool HasItems(const Json* json) {
  if (json == nullptr) return false;
  if (json->is_array()) return !json->as_array().empty();
  return json->is_object() && !json->as_object().empty();
}

// Whether an object of the array under `key` has a text that is not empty under `field`.
bool AnyHasText(const Json& edits, std::string_view key, std::string_view field) {
  const Json* list = edits.Find(key);
  if (list == nullptr || !list->is_array()) return false;
  const Json::Array& items = list->as_array();
  return std::any_of(items.begin(), items.end(), [field](const Json& item) {
    const Json* text = item.Find(field);
    return text != nullptr && text->is_string() && !text->as_string().empty();
  });
}

bool MonitorsRdt(const Json& rdt) {
  const Json* monitoring = rdt.Find("enableMonitoring");
  return rdt.Find("schemata") != nullptr ||
         (monitoring != nullptr && monitoring->is_bool() && monitoring->as_bool());
}

std::string_view NeededBy(const Json& edits) {
  const Json* rdt = edits.Find("intelRdt");
  if (HasItems(edits.Find("netDevices"))) return "1.1.0";
  if (rdt != nullptr && MonitorsRdt(*rdt)) return "1.1.0";
  if (rdt != nullptr || HasItems(edits.Find("additionalGids"))) return "0.7.0";
  if (AnyHasText(edits, "deviceNodes", "hostPath")) return "0.5.0";
  if (AnyHasText(edits, "mounts", "type")) return "0.4.0";
  return "0.3.0";
}

class Highest {
 public:
  void Add(std::string_view version) { rank_ = std::max(rank_, *VersionRank(version)); }
  [[nodiscard]] std::string version() const {
    return std::string(kVersions.at(static_cast<std::size_t>(rank_)));
  }

 private:
  int rank_ = *VersionRank("0.3.0");
};

void AddDevice(const Json& device, Highest& highest) {
  if (const Json* edits = device.Find("containerEdits")) highest.Add(NeededBy(*edits));
  if (HasItems(device.Find("annotations"))) highest.Add("0.6.0");
  const Json* name = device.Find("name");
  if (name == nullptr || !name->is_string() || name->as_string().empty()) return;
  const char first = name->as_string().front();
  if (first >= '0' && first <= '9') highest.Add("0.5.0");
}

}  // namespace

std::optional<int> VersionRank(std::string_view version) {
  const auto* found = std::find(kVersions.begin(), kVersions.end(), version);
  if (found == kVersions.end()) return std::nullopt;
  return static_cast<int>(std::distance(kVersions.begin(), found));
}

std::string MinimumCdiVersion(const Json& spec) {
  Highest highest;
  if (const Json* edits = spec.Find("containerEdits")) highest.Add(NeededBy(*edits));
  if (HasItems(spec.Find("annotations"))) highest.Add("0.6.0");
  if (const Json* kind = spec.Find("kind"); kind != nullptr && kind->is_string()) {
    const std::size_t slash = kind->as_string().find('/');
    // A dot in the class, after the vendor's "/".
    if (slash != std::string::npos && kind->as_string().find('.', slash) != std::string::npos) {
      highest.Add("0.6.0");
    }
  }
  if (const Json* devices = spec.Find("devices"); devices != nullptr && devices->is_array()) {
    for (const Json& device : devices->as_array()) AddDevice(device, highest);
  }
  return highest.version();
}

}  // namespace tranche::cdi
