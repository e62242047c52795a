#include "config/resource_name.h"

#include <algorithm>

namespace tranche::config {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsLabelCharacter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// RFC 1123 subdomain: dot-separated labels of [a-z0-9-], alphanumeric at both ends of each.
bool IsSubdomain(std::string_view name) {
  char before = '.';
  for (const char c : name) {
    if (c == '.') {
      if (!IsLabelCharacter(before)) return false;
    } else if (c == '-') {
      if (before == '.') return false;
    } else if (!IsLabelCharacter(c)) {
      return false;
    }
    before = c;
  }
  return IsLabelCharacter(before);
}

// Kubernetes' explanation of the rule, word for word: it is part of upstream's error text.
constexpr std::string_view kSubdomainRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

// Names are cut to this before they are compared: the cost is quadratic.
constexpr std::size_t kMaxCompared = 64;

// Optimal string alignment: insert, delete, replace, swap two neighbours.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(width));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j < width; ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j < width; ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
          Lower(a[i - 2]) == Lower(b[j - 1])) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

constexpr std::size_t kMaxWritten = 256;  // longer is no name, and is not looked at further
constexpr std::string_view kWriteGpu = "write nvidia.com/gpu";

// "1g.10gb", "1c.2g.20gb", "1g.10gb.me": what plan/ makes of the profiles of NVIDIA's MIG user
// guide.
bool IsMigProfile(std::string_view text) {
  const auto number_then = [&text](std::string_view unit) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || text.substr(digits, unit.size()) != unit) return false;
    text.remove_prefix(digits + unit.size());
    return true;
  };
  number_then("c.");
  return number_then("g.") && number_then("gb") &&
         (text.empty() || (text.size() > 1 && (text.front() == '.' || text.front() == '-')));
}

NameAdvice AdviseOnInvalid(std::string_view written, std::string_view full) {
  constexpr std::size_t kShown = 80;
  NameAdvice out;
  out.valid = false;
  const std::string shown(written.substr(0, kShown));
  const std::size_t slash = written.find('/');
  const std::string domain(written.substr(0, std::min(slash, written.size())));
  if (written.empty()) {
    out.what = "the name of the resource is empty";
  } else if (slash != std::string_view::npos && domain != "nvidia.com") {
    const bool near = !NearestName(domain, {"nvidia.com", "nvidia"}).empty();
    out.what = near ? "'" + shown + "' is no name below nvidia.com"
                    : "'" + shown + "': only nvidia.com resources can be shared";
  } else if (full.size() > kMaxResourceName) {
    out.what = "'" + shown + "' is longer than " + std::to_string(kMaxResourceName) +
               " characters, nvidia.com/ included";
    out.instead = "write a shorter name";
    return out;
  } else {
    out.what = "'" + shown + "' is no resource name: a-z, 0-9, - and . are allowed after the slash";
  }
  out.instead = kWriteGpu;
  return out;
}

}  // namespace

NameAdvice AdviseOnName(std::string_view written) {
  if (written.size() > kMaxWritten) return AdviseOnInvalid(written.substr(0, kMaxWritten), written);
  const auto full = MakeResourceName(written);
  if (!full.ok())
    return AdviseOnInvalid(written, std::string(kResourcePrefix) + std::string(written));
  std::string_view name = std::string_view(*full).substr(kResourcePrefix.size());
  constexpr std::string_view kMig = "mig-";
  const auto known = [kMig](std::string_view one) {
    return one == "gpu" || (one.starts_with(kMig) && IsMigProfile(one.substr(kMig.size())));
  };
  NameAdvice out;
  out.mig = name.starts_with(kMig);
  if (name.ends_with(kSharedSuffix) && known(name.substr(0, name.size() - kSharedSuffix.size()))) {
    name.remove_suffix(kSharedSuffix.size());
    out.what = *full + " is what renaming makes, no device has it";
    out.instead = "write name: " + std::string(kResourcePrefix) + std::string(name) +
                  " (renameByDefault: true adds .shared)";
    return out;
  }
  if (known(name)) return out;
  out.what = *full + " matches no NVIDIA resource";
  out.instead = out.mig ? "write the profile as in nvidia.com/mig-1g.10gb"
                        : "write nvidia.com/gpu, or nvidia.com/mig-1g.10gb for a MIG profile";
  return out;
}

base::Result<std::string> MakeResourceName(std::string_view written) {
  std::string full(written);
  if (written.substr(0, kResourcePrefix.size()) != kResourcePrefix) {
    full.insert(0, kResourcePrefix);
  }
  if (full.size() > kMaxResourceName) {
    return base::Status(base::Code::kInvalidArgument, "fully-qualified resource name must be " +
                                                          std::to_string(kMaxResourceName) +
                                                          " characters or less: " + full);
  }
  if (!IsSubdomain(std::string_view(full).substr(kResourcePrefix.size()))) {
    return base::Status(
        base::Code::kInvalidArgument,
        "incorrect format for resource name '" + full + "': [" + std::string(kSubdomainRule) + "]");
  }
  return full;
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kMaxCompared) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxCompared) continue;
    const std::size_t distance = EditDistance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace tranche::config
