#include "node/identity/cgroup.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tranche::node::identity {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::size_t kMaxTextBytes = 64 << 10;
constexpr std::size_t kMaxGroups = 64;  // of one path, more than any tree of the kubelet's has
constexpr std::size_t kUuidLength = 36;
constexpr std::size_t kHashLength = 32;         // of a static pod: MD5 in hex
constexpr std::size_t kContainerIdLength = 64;  // SHA-256 in hex, of every runtime with a CRI

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool AllHex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsHex);
}

// "0a1b…-…" or, with `separator` '_', what systemd's names make of it. A static pod's has none.
std::optional<std::string> AsUid(std::string_view text, char separator) {
  if (text.size() == kHashLength && AllHex(text)) return std::string(text);
  if (text.size() != kUuidLength) return std::nullopt;
  std::string uid(text);
  for (std::size_t i = 0; i < uid.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? uid[i] != separator : !IsHex(uid[i])) return std::nullopt;
    if (dash) uid[i] = '-';
  }
  return uid;
}

// Where a group lies, as far as the groups above it are seen.
enum class Below { kElsewhere, kPerhapsKubepods, kKubepods };

// The UID in the name of a pod's group. cgroupfs: "pod<uid>" below "kubepods"; systemd:
// "[root-]kubepods[-burstable|-besteffort]-pod<uid>.slice", with "_" for "-" in the UID.
std::optional<std::string> PodUid(std::string_view group, Below below) {
  constexpr std::string_view kSlice = ".slice";
  if (!group.ends_with(kSlice)) {
    const bool pod = below != Below::kElsewhere && group.starts_with("pod");
    return pod ? AsUid(group.substr(3), '-') : std::nullopt;
  }
  group.remove_suffix(kSlice.size());
  const std::size_t pod = group.rfind("-pod");
  if (pod == std::string_view::npos) return std::nullopt;
  std::string_view above = group.substr(0, pod);
  for (const std::string_view quality : {"-burstable", "-besteffort"}) {
    if (above.ends_with(quality)) above.remove_suffix(quality.size());
  }
  if (above != "kubepods" && !above.ends_with("-kubepods")) return std::nullopt;
  return AsUid(group.substr(pod + 4), '_');
}

// "<id>" (cgroupfs) or "<runtime>-<id>.scope" (systemd): cri-containerd, crio, docker. "" if it is
// none, such as the group of CRI-O's monitor, which is no container.
std::string ContainerId(std::string_view group) {
  constexpr std::string_view kScope = ".scope";
  if (group.ends_with(kScope)) group.remove_suffix(kScope.size());
  if (const auto dash = group.rfind('-'); dash != std::string_view::npos) {
    const std::string_view runtime = group.substr(0, dash);
    if (runtime.ends_with("conmon")) return "";
    group.remove_prefix(dash + 1);
  }
  return group.size() == kContainerIdLength && AllHex(group) ? std::string(group) : "";
}

// "kubepods-…-pod<uid>.slice:cri-containerd:<id>": one group, where the kubelet names groups as
// systemd does and the runtime makes them itself.
std::optional<PodGroup> Unsplit(std::string_view group) {
  const auto first = group.find(':');
  const auto last = group.rfind(':');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  auto uid = PodUid(group.substr(0, first), Below::kElsewhere);
  if (!uid) return std::nullopt;
  return PodGroup{std::move(*uid), ContainerId(group.substr(last + 1))};
}

// Of one hierarchy. None: the path leads into no pod.
//
// In a control group namespace of its own, which containers have with the second version, this
// program sees paths that begin with "/..": what follows lies below the first group that both
// processes have above them. The group of another pod is always seen, as it is never above this
// process; what may be hidden is that it lies below "kubepods".
Result<std::optional<PodGroup>> OfPath(std::string_view path) {
  const Status outside(Code::kInvalidArgument, "the path of the process's group makes no sense");
  if (!path.starts_with('/')) return outside;
  Below below = Below::kElsewhere;
  bool named = false;
  std::size_t count = 0;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view group = path.substr(0, path.find('/'));
    path.remove_prefix(group.size());
    if (++count > kMaxGroups) {
      return Status(Code::kInvalidArgument, "the process is in groups nested too deep");
    }
    if (group == "..") {
      if (named) return outside;
      below = Below::kPerhapsKubepods;
      continue;
    }
    named = true;
    if (auto unsplit = Unsplit(group)) return unsplit;
    if (auto uid = PodUid(group, below)) {
      const std::string_view rest = path.empty() ? path : path.substr(1);
      return std::optional(PodGroup{std::move(*uid), ContainerId(rest.substr(0, rest.find('/')))});
    }
    if (group == "kubepods") below = Below::kKubepods;
    const bool of_quality = group == "burstable" || group == "besteffort";
    if (below == Below::kPerhapsKubepods && !of_quality) below = Below::kElsewhere;
  }
  return std::optional<PodGroup>();
}

}  // namespace

Result<PodGroup> ReadPodGroup(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return Status(Code::kInvalidArgument, "the list of the process's groups is too long");
  }
  std::optional<PodGroup> found;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) {
      return Status(Code::kInvalidArgument, "a line of the process's groups has no path");
    }
    Result<std::optional<PodGroup>> group = OfPath(line.substr(second + 1));
    if (!group.ok()) return group.status();
    if (!group->has_value()) continue;
    if (found && *found != **group) {
      return Status(Code::kInvalidArgument, "the process is in groups of different pods");
    }
    found = std::move(*group);
  }
  if (!found) return Status(Code::kNotFound, "the process is in no pod");
  return *std::move(found);
}

}  // namespace tranche::node::identity
