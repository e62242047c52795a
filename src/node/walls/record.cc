#include "node/walls/record.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/json.h"
#include "base/json_read.h"
#include "node/identity/cgroup.h"
#include "node/identity/maps.h"
#include "node/identity/pods.h"
#include "node/walls/requests.h"

namespace tranche::node::walls {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using base::UniqueFd;

constexpr std::size_t kMaxPods = 4096;
constexpr std::uint64_t kMaxHeld = 1'000'000;
constexpr std::size_t kMaxGroupsBytes = 64U << 10U;

// Numbers that JSON's integers may not hold.
std::string WholeText(std::uint64_t number) { return std::to_string(number); }
std::uint64_t WholeAt(const Json& json, std::string_view key) {
  const std::string& text = base::TextAt(json, key);
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool ReadPod(const Json& json, PodRecord& pod) {
  pod.uid = base::TextAt(json, "uid");
  pod.granted.name = {base::TextAt(json, "namespace"), base::TextAt(json, "name")};
  pod.counters = {WholeAt(json, "device"), WholeAt(json, "inode")};
  pod.away_open = base::BoolAt(json, "awayOpen");
  pod.asked = base::TextAt(json, "asked").substr(0, identity::kMaxAskBytes);
  for (const Json& item : base::ItemsAt(json, "devices")) {
    const std::string& device = base::TextAt(item, "uuid");
    const auto uuid = ParseUuid(device);
    if (!uuid) return false;
    const std::uint64_t limit = WholeAt(item, "limitBytes");
    const std::uint64_t device_bytes = WholeAt(item, "deviceBytes");
    pod.devices.push_back(
        {.device = device, .uuid = *uuid, .limit_bytes = limit, .device_bytes = device_bytes});
    pod.granted.devices[device] = {
        .limit_bytes = limit,
        .fixed_bytes =
            base::FindAt(item, "fixedBytes") == nullptr ? limit : WholeAt(item, "fixedBytes"),
        .device_bytes = device_bytes,
        .reserve_bytes = WholeAt(item, "reserveBytes"),
        .held = std::max(
            1, static_cast<int>(std::min<std::uint64_t>(WholeAt(item, "replicas"), kMaxHeld))),
        .away_open = pod.away_open};
  }
  return !pod.uid.empty() && !pod.devices.empty() && pod.devices.size() <= wire::kMaxDevices;
}

// "": it is in no pod, or has ended.
std::string PodOf(const std::string& process) {
  const auto groups = base::ReadFile(process + "/cgroup", kMaxGroupsBytes);
  if (!groups.ok()) return "";
  const auto group = identity::ReadPodGroup(*groups);
  return group.ok() ? group->pod_uid : "";
}

// The address range of the page, as /proc/PID/map_files names it; "": it is not mapped.
std::string_view RangeOf(std::string_view maps, const PageIdentity& page) {
  const std::string name = std::string("/memfd:") + PodPages::kCountersName;
  for (const identity::Mapping& mapping : identity::MappingsIn(maps)) {
    if (mapping.file.inode == page.inode && mapping.path.starts_with(name)) return mapping.range;
  }
  return "";
}

}  // namespace

std::string RecordText(const std::vector<PodRecord>& pods) {
  Json list = Json::MakeArray();
  for (const PodRecord& pod : pods) {
    Json devices = Json::MakeArray();
    for (const WalledDevice& device : pod.devices) {
      const auto grant = pod.granted.devices.find(device.device);
      const bool granted = grant != pod.granted.devices.end();
      // What was granted last: the pages have it a moment later.
      const std::uint64_t limit = granted ? grant->second.limit_bytes : device.limit_bytes;
      Json item = Json::MakeObject({{"uuid", device.device},
                                    {"limitBytes", WholeText(limit)},
                                    {"deviceBytes", WholeText(device.device_bytes)}});
      if (granted) {
        item.Set("fixedBytes", WholeText(grant->second.fixed_bytes));
        item.Set("reserveBytes", WholeText(grant->second.reserve_bytes));
        item.Set("replicas", std::to_string(grant->second.held));
      }
      devices.Append(std::move(item));
    }
    list.Append(Json::MakeObject({{"uid", pod.uid},
                                  {"namespace", pod.granted.name.pod_namespace},
                                  {"name", pod.granted.name.pod},
                                  {"device", WholeText(pod.counters.device)},
                                  {"inode", WholeText(pod.counters.inode)},
                                  {"awayOpen", pod.away_open},
                                  {"asked", pod.asked},
                                  {"devices", std::move(devices)}}));
  }
  return Json::MakeObject({{"version", 1}, {"pods", std::move(list)}}).Dump() + "\n";
}

Result<std::vector<PodRecord>> ReadRecord(std::string_view text) {
  const auto json = Json::Parse(text);
  if (!json.ok()) return json.status();
  if (base::IntAt(*json, "version") != 1) {
    return Status(Code::kInvalidArgument, "the record of walls is of another version");
  }
  std::vector<PodRecord> pods;
  for (const Json& item : base::ItemsAt(*json, "pods")) {
    PodRecord pod;
    if (pods.size() < kMaxPods && ReadPod(item, pod)) pods.push_back(std::move(pod));
  }
  return pods;
}

PageSearch::PageSearch(std::string proc_root, const std::vector<PodRecord>& pods)
    : proc_root_(std::move(proc_root)) {
  for (const PodRecord& pod : pods) {
    if (pod.counters.inode != 0) pods_.emplace(pod.uid, pod);
  }
  if (pods_.empty()) return;
  const auto names = base::ListDirectory(proc_root_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    unsigned pid = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, pid).ptr == end) left_.push_back(pid);
  }
  std::ranges::sort(left_);  // the newest are looked at first: programs come after the node's own
}

std::vector<PageSearch::Found> PageSearch::Step() {
  std::vector<Found> all;
  std::size_t maps_read = 0;
  for (std::size_t i = 0; i < kProcessesAtOnce && maps_read < kMapsAtOnce && !done(); ++i) {
    const unsigned pid = left_.back();
    left_.pop_back();
    const auto pod = pods_.find(PodOf(base::JoinPath(proc_root_, std::to_string(pid))));
    if (pod == pods_.end()) continue;
    ++maps_read;
    const auto maps = identity::ReadMaps(proc_root_, pid);
    if (!maps.ok()) continue;
    const std::string_view range = RangeOf(*maps, pod->second.counters);
    if (range.empty()) continue;
    all.push_back({.pod = pod->second, .counters = Open(pid, range)});
    pods_.erase(pod);
  }
  return all;
}

Result<UniqueFd> PageSearch::Open(unsigned pid, std::string_view range) const {
  std::string mapping = base::JoinPath(proc_root_, std::to_string(pid)) + "/map_files/";
  mapping += range;
  UniqueFd fd(open(mapping.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return base::ErrnoStatus(errno, "cannot open the mapping of a program");
  return fd;
}

Result<bool> HasPage(const std::string& proc_root, unsigned pid, const PageIdentity& page) {
  const auto maps = identity::ReadMaps(proc_root, pid);
  if (!maps.ok()) return maps.status();
  return !RangeOf(*maps, page).empty();
}

}  // namespace tranche::node::walls
