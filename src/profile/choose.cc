#include "profile/choose.h"

#include <algorithm>
#include <string_view>

#include "base/log.h"
#include "config/resource_name.h"

namespace tranche::profile {

namespace {

using base::Code;
using base::Result;
using base::Status;

// What config-manager calls the file of the `named` fallback.
constexpr char kNamedProfile[] = "default";

// A name leaves the directory only through a slash or as "..", and names that begin with ".." are
// the ConfigMap volume's own.
bool IsProfileName(std::string_view name) {
  return !name.empty() && name != "." && !name.starts_with("..") &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

Result<std::string> FindProfile(const std::vector<std::string>& available,
                                const std::string& name) {
  const std::string shown = base::Printable(name, 253);
  if (!IsProfileName(name)) {
    return Status(Code::kInvalidArgument,
                  "specified config " + shown +
                      " is not a profile's name (it may not contain '/' or begin with '..')");
  }
  if (std::find(available.begin(), available.end(), name) == available.end()) {
    const std::string near = config::NearestName(name, available);
    return Status(Code::kNotFound,
                  "specified config " + shown + " does not exist" +
                      (near.empty() ? "" : "; did you mean " + base::Printable(near, 253) + "?"));
  }
  return name;
}

}  // namespace

Result<std::vector<Fallback>> ParseFallbacks(const std::vector<std::string>& words) {
  std::vector<Fallback> fallbacks;
  for (const std::string& word : words) {
    if (word == "named") {
      fallbacks.push_back(Fallback::kNamed);
    } else if (word == "single") {
      fallbacks.push_back(Fallback::kSingle);
    } else if (word == "empty") {
      fallbacks.push_back(Fallback::kEmpty);
    } else {
      return Status(Code::kInvalidArgument,
                    "unknown fallback strategy: " + base::Printable(word, 64));
    }
  }
  return fallbacks;
}

Result<std::string> ChooseProfile(const std::vector<std::string>& available,
                                  const std::string& selected, const std::string& default_profile,
                                  const std::vector<Fallback>& fallbacks) {
  if (available.empty()) return Status(Code::kNotFound, "no configuration files available");
  if (!selected.empty()) return FindProfile(available, selected);
  if (!default_profile.empty()) return FindProfile(available, default_profile);
  for (const Fallback fallback : fallbacks) {
    switch (fallback) {
      case Fallback::kNamed:
        if (std::find(available.begin(), available.end(), kNamedProfile) != available.end()) {
          return std::string(kNamedProfile);
        }
        break;
      case Fallback::kSingle:
        if (available.size() == 1) return available.front();
        break;
      case Fallback::kEmpty:
        return std::string();
    }
  }
  return Status(Code::kNotFound,
                "no config was set, no default was provided, and all fallbacks failed");
}

}  // namespace tranche::profile
